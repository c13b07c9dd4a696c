// The knowledge console: add and remove lines of questions, and follow the publish check. All of it works without.
"use strict";

for (const lines of document.querySelectorAll("[data-lines]")) {
  const add = lines.querySelector("[data-add]");
  const rows = () => [...lines.querySelectorAll(".kb-line")];

  const number = () => rows().forEach((row, place) => {
    row.querySelector("input").setAttribute("aria-label", `相似问 ${place + 1}`);
  });

  const withButton = (row) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = "删除";
    button.addEventListener("click", () => {
      const next = row.nextElementSibling?.querySelector("input") ?? add;
      row.remove();
      number();
      next.focus();
    });
    row.append(button);
    return row;
  };

  const grow = (after) => {
    const row = document.createElement("div");
    row.className = "kb-line";
    const input = document.createElement("input");
    Object.assign(input, { name: "question", maxLength: 200, autocomplete: "off" });
    row.append(input);
    if (after) after.after(withButton(row));
    else lines.insertBefore(withButton(row), add);
    number();
    input.focus();
  };

  rows().forEach(withButton);
  add.addEventListener("click", (event) => {
    event.preventDefault();
    grow();
  });
  // Enter goes on to the next line, as in a list; the form is sent by its buttons.
  lines.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.name !== "question") return;
    event.preventDefault();
    grow(event.target.closest(".kb-line"));
  });
  // A whole column pasted from a spreadsheet becomes a line each.
  lines.addEventListener("paste", (event) => {
    const given = (event.clipboardData?.getData("text") ?? "").split(/\r?\n/).map((one) => one.trim()).filter(Boolean);
    if (given.length < 2 || event.target.name !== "question") return;
    event.preventDefault();
    event.target.value = given.shift();
    let row = event.target.closest(".kb-line");
    for (const text of given) {
      grow(row);
      row = row.nextElementSibling;
      row.querySelector("input").value = text;
    }
  });
}

const check = document.querySelector("[data-progress]");
if (check) {
  const bar = check.querySelector("progress");
  const words = check.querySelector("output");
  const ask = async () => {
    try {
      const answer = await fetch(check.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      if (!state.is_running) {
        location.reload();
        return;
      }
      if (state.total) {
        bar.max = state.total;
        bar.value = state.done;
      }
      words.textContent = state.words;
    } catch {
      words.textContent = "连接中断，正在重试；检查仍在进行。";
    }
    setTimeout(ask, 700);
  };
  setTimeout(ask, 300);
}
