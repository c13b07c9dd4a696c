// The chat window: sends what the person does, shows what the platform says their phone would show.
"use strict";
const talk = document.getElementById("talk");
const form = document.getElementById("form");
const input = document.getElementById("text");
const typing = document.getElementById("typing");
let seen = 0;
let epoch = 0; // a reply to an older conversation is dropped

const account = () => document.querySelector("input[name=account]:checked").value;
function user() {
  let id = localStorage.getItem("nqi-user");
  if (!id) {
    id = "sim" + Array.from(crypto.getRandomValues(new Uint8Array(10)), (b) => b.toString(36).padStart(2, "0")).join("").slice(0, 20);
    localStorage.setItem("nqi-user", id);
  }
  return id;
}

function line(kind, parts) {
  const item = document.createElement("li");
  if (kind) item.className = kind;
  for (const part of parts) {
    if (part.send === undefined) {
      item.append(part.text);
      continue;
    }
    const anchor = document.createElement("a");
    anchor.textContent = part.text;
    anchor.href = "#";
    anchor.addEventListener("click", (event) => {
      event.preventDefault();
      send({ kind: "menu", text: part.send, menu_id: part.id });
    });
    item.append(anchor);
  }
  talk.append(item);
  talk.scrollTop = talk.scrollHeight;
}

const note = (text) => line("note", [{ text }]);

function show(messages) {
  for (const message of messages) {
    if (message.id <= seen) continue; // two looks at the phone may overlap
    seen = message.id;
    line(message.mine ? "mine" : message.fault ? "fault" : "", message.parts);
  }
}

async function call(path, body) {
  const response = await fetch(`api/${account()}/${path}`, {
    method: body ? "POST" : "GET",
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).message || "服务没有响应");
  return response.json();
}

async function refresh() {
  const mine = epoch;
  const result = await call(`phone?user=${encodeURIComponent(user())}&after=${seen}`);
  if (mine === epoch) show(result.messages);
}

async function send(message) {
  typing.hidden = false;
  try {
    const sending = call("send", { user: user(), ...message });
    setTimeout(() => refresh().catch(() => {}), 30);
    const result = await sending;
    await refresh();
    if (result.note) note(result.note);
  } catch (error) {
    note("没有发出去：" + error.message + "。请确认服务在运行，然后重发。");
  } finally {
    typing.hidden = true;
    input.focus();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value;
  if (!text.trim()) return;
  input.value = "";
  send({ kind: "text", text });
});
for (const button of document.querySelectorAll("[data-say]")) button.addEventListener("click", () => send({ kind: "text", text: button.dataset.say }));
for (const button of document.querySelectorAll("[data-event]")) button.addEventListener("click", () => send({ kind: "event", event: button.dataset.event }));
for (const button of document.querySelectorAll("[data-kind]")) button.addEventListener("click", () => send({ kind: button.dataset.kind }));

function restart() {
  epoch += 1;
  seen = 0;
  talk.replaceChildren();
  refresh().catch(() => {});
}
document.getElementById("new-user").addEventListener("click", () => {
  localStorage.removeItem("nqi-user");
  restart();
  send(account() === "official" ? { kind: "event", event: "subscribe" } : { kind: "event", event: "user_enter_tempsession" });
});
for (const radio of document.querySelectorAll("input[name=account]")) radio.addEventListener("change", restart);

restart();
setInterval(() => refresh().catch(() => {}), 1500);
