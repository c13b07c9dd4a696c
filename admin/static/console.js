// Makes the console live. Everything works without it: forms are sent and pages loaded anew.
"use strict";
(() => {
  const root = document.querySelector("[data-console]");
  if (!root) return;
  const openId = Number(root.dataset.open || 0);
  const csrf = root.dataset.csrf;
  const part = (name, where = root) => where.querySelector(`[data-part="${name}"]`);
  const form = root.querySelector("[data-say]");
  const box = form ? form.elements.namedItem("text") : null;
  const scroller = root.querySelector("[data-scroll]");
  const post = (path, values) =>
    fetch(path, { method: "POST", body: new URLSearchParams({ csrf, ...values }), redirect: "manual" });

  // One run at a time; what is asked for meanwhile is one more run after it.
  const oneByOne = (run) => {
    let running = false;
    let again = false;
    return async () => {
      if (running) {
        again = true;
        return;
      }
      running = true;
      do {
        again = false;
        try {
          await run();
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // no network: the next connection asks again
        }
      } while (again);
      running = false;
    };
  };

  const page = async (address) => {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (answer.redirected) location.reload(); // logged out
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  };

  // --- the transcript ---

  const known = () => {
    const rows = part("lines").children;
    return rows.length ? Number(rows[rows.length - 1].dataset.id) : 0;
  };

  let isPinned = true;
  const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;

  const toEnd = () => {
    scroller.scrollTop = scroller.scrollHeight;
  };

  // By id: a message that is there already is never put there twice, a late one takes its place.
  const merge = (rows) => {
    const list = part("lines");
    let isNew = false;
    for (const row of rows) {
      const old = list.querySelector(`:scope > [data-id="${Number(row.dataset.id)}"]`);
      if (old) {
        for (const name of [".line-state", ".line-body"]) {
          const [before, after] = [old.querySelector(name), row.querySelector(name)];
          if (before && after && before.innerHTML !== after.innerHTML) before.replaceWith(after);
        }
        continue;
      }
      const id = Number(row.dataset.id);
      const first = list.firstElementChild;
      if (first && id < Number(first.dataset.id)) continue; // older than what this page shows
      let next = null;
      for (let one = list.lastElementChild; one && Number(one.dataset.id) > id; one = one.previousElementSibling) next = one;
      list.insertBefore(row, next);
      isNew = true;
    }
    return isNew;
  };

  const renew = (name, found) => {
    const [old, fresh] = [part(name), part(name, found)];
    if (!old || !fresh || old.innerHTML === fresh.innerHTML) return;
    if (old.contains(document.activeElement) && name === "status" && old.querySelector("details[open]")) return;
    old.replaceChildren(...fresh.childNodes);
  };

  // A form is on its way: its answer is the next page, and a reload would cut it off.
  let isLeaving = false;
  addEventListener("submit", (event) => {
    isLeaving = !event.defaultPrevented;
  });

  const isOlderPage = new URLSearchParams(location.search).has("before");

  const readMessages = oneByOne(async () => {
    if (!openId || isOlderPage) return;
    for (;;) {
      const before = known();
      const found = await page(`${root.dataset.messages}&after=${before}`);
      if (!found) return;
      // The answer box comes or goes with who holds the conversation: that is another page.
      const mine = part("mine", found).dataset.mine;
      if (mine !== root.dataset.mine && !(box && box.value.trim())) {
        if (!isLeaving) location.reload();
        return;
      }
      const wasAtEnd = isPinned;
      const isNew = merge([...part("lines", found).children]);
      for (const name of ["status", "quota", "send", "hints"]) renew(name, found);
      if (isNew && wasAtEnd) toEnd();
      if (isNew) markRead();
      if (known() === before) return;
    }
  });

  let readUntil = 0;
  const markRead = () => {
    const last = openId ? known() : 0;
    if (document.hidden || last <= readUntil) return;
    readUntil = last;
    post(`/admin/console/${openId}/read`, { last }).catch(() => {
      readUntil = 0;
    });
  };

  // --- the list ---

  const readList = oneByOne(async () => {
    const found = await page(root.dataset.list);
    const [old, fresh] = [document.getElementById("inbox-list"), found && found.getElementById("inbox-list")];
    if (!old || !fresh) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    for (const link of fresh.querySelectorAll(".inbox a")) {
      if (openId && new URL(link.href).pathname === `/admin/console/${openId}`) {
        link.setAttribute("aria-current", "true");
        link.parentElement.classList.add("open");
      }
    }
    old.replaceWith(fresh);
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  });

  // --- title and sound ---

  const plainTitle = document.title;
  let calling = null;
  const call = (count) => {
    document.title = count ? `(${count}) ${plainTitle}` : plainTitle;
    if (calling !== null && count > calling) beep();
    calling = count;
  };

  const soundButton = document.getElementById("sound");
  let audio = null;
  const showSound = () => {
    soundButton.setAttribute("aria-pressed", String(audio !== null));
    soundButton.textContent = audio ? "提示音：开" : "提示音：关";
  };
  const beep = () => {
    if (!audio) return;
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = 660;
    gain.gain.setValueAtTime(0.0001, audio.currentTime);
    gain.gain.exponentialRampToValueAtTime(0.12, audio.currentTime + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + 0.3);
    tone.connect(gain).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.32);
  };
  if (soundButton && window.AudioContext) {
    soundButton.hidden = false;
    soundButton.addEventListener("click", () => {
      if (audio) audio.close();
      audio = audio ? null : new AudioContext();
      showSound();
      beep();
    });
  }

  // --- the connection ---

  const live = document.getElementById("live");
  const showLive = (isLive) => {
    if (!live) return;
    live.hidden = isLive;
    live.textContent = isLive ? "" : "连接中断，正在重连…";
  };

  let retry = 1000;
  const connect = () => {
    const source = new EventSource(`/admin/console/events?open=${openId}`);
    source.addEventListener("open", () => {
      retry = 1000;
      showLive(true);
      readMessages();
    });
    source.addEventListener("inbox", (event) => {
      const { waiting, unread } = JSON.parse(event.data);
      call(waiting + unread);
      readList();
    });
    source.addEventListener("conversation", () => readMessages());
    source.addEventListener("error", () => {
      showLive(false);
      if (source.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
      setTimeout(connect, retry);
      retry = Math.min(retry * 2, 30000);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  addEventListener("online", () => readMessages());
  document.addEventListener("visibilitychange", markRead);

  // --- the answer box ---

  const problem = root.querySelector("[data-problem]");
  const complain = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };

  const freshKey = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  let isSending = false;
  const send = async (how) => {
    if (isSending || !box.value.trim()) return;
    isSending = true;
    const sent = box.value;
    const values = { text: sent, key: form.elements.namedItem("key").value, how };
    try {
      const answer = await post(form.action, values);
      if (answer.type === "opaqueredirect") {
        complain("");
        if (box.value === sent) box.value = "";
        form.elements.namedItem("key").value = freshKey();
        await readMessages();
        toEnd();
      } else {
        const refused = new DOMParser().parseFromString(await answer.text(), "text/html");
        complain(refused.querySelector("[data-problem], main .problem")?.textContent || "没有发出，请再试一次。");
        readMessages();
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      // The key stays: pressed again, it is said once, whether or not the first try arrived.
      complain("网络中断，没有收到确认。内容还在，请再按一次发送，不会重复。");
    } finally {
      isSending = false;
      box.focus();
    }
  };

  const insert = (text, from = box.selectionStart, to = box.selectionEnd) => {
    box.focus();
    box.setRangeText(text, from, to, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // "/" and the beginning of a shortcut or title: a list to choose from.
  const pick = document.getElementById("canned-pick");
  const typed = () => /(?:^|\s)\/([\p{L}\p{N}_-]{0,20})$/u.exec(box.value.slice(0, box.selectionStart));
  const replies = () => [...form.querySelectorAll("[data-shortcut]")];
  let chosen = 0;

  const showPick = () => {
    const found = typed();
    const wanted = found ? found[1].toLowerCase() : "";
    const fitting = found
      ? replies().filter((one) => one.dataset.shortcut.startsWith(wanted) || one.dataset.title.includes(wanted)).slice(0, 8)
      : [];
    chosen = Math.min(chosen, Math.max(fitting.length - 1, 0));
    pick.replaceChildren(
      ...fitting.map((one, place) => {
        const row = document.createElement("li");
        row.setAttribute("role", "option");
        row.setAttribute("aria-selected", String(place === chosen));
        row.textContent = `/${one.dataset.shortcut} ${one.dataset.title}`;
        row.addEventListener("mousedown", (event) => {
          event.preventDefault();
          take(one);
        });
        row.reply = one;
        return row;
      }),
    );
    pick.hidden = !fitting.length;
  };

  const take = (reply) => {
    const found = typed();
    const end = box.selectionStart;
    insert(reply.dataset.text, found ? end - found[1].length - 1 : end, end);
    pick.hidden = true;
    chosen = 0;
  };

  const pickKeys = (event) => {
    if (pick.hidden) return false;
    const count = pick.children.length;
    if (event.key === "ArrowDown") chosen = (chosen + 1) % count;
    else if (event.key === "ArrowUp") chosen = (chosen + count - 1) % count;
    else if (event.key === "Escape") {
      pick.hidden = true;
      return true;
    } else if ((event.key === "Enter" && !event.ctrlKey) || event.key === "Tab") {
      take(pick.children[chosen].reply);
      return true;
    } else return false;
    showPick();
    return true;
  };

  if (form) {
    let typedAt = 0;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const button = event.submitter;
      if (button && button.dataset.text) insert(button.dataset.text);
      else send(button && button.value ? button.value : "now");
    });
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return; // an input method is choosing characters
      if (pickKeys(event)) {
        event.preventDefault();
        return;
      }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        const button = form.querySelector("[data-send]");
        if (button) send(button.value);
      }
    });
    box.addEventListener("input", () => {
      showPick();
      if (root.dataset.mine === "yes" && Date.now() - typedAt > 9000 && box.value.trim()) {
        typedAt = Date.now();
        post(`/admin/console/${openId}/typing`, {}).catch(() => {});
      }
    });
    box.addEventListener("blur", () => {
      pick.hidden = true;
    });
  }

  const list = document.getElementById("inbox-list");
  if (list) call(Number(list.dataset.waiting) + Number(list.dataset.unread));
  if (scroller && !isOlderPage) {
    toEnd();
    // The answer box grows and shrinks: who reads the end goes on reading it.
    scroller.addEventListener("scroll", () => {
      isPinned = isAtEnd();
    });
    // So do pictures that come later than the words around them.
    const grows = new ResizeObserver(() => {
      if (isPinned) toEnd();
    });
    grows.observe(scroller);
    grows.observe(part("lines"));
  }
  markRead();
  connect();
})();
