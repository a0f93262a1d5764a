// Comfort only: every page works without this file. It stores nothing.
"use strict";

// The error summary takes the focus, so that it is read first.
const faults = document.getElementById("faults");
if (faults) faults.focus();

// How many characters are typed. Counted as the server does: by code point.
for (const area of document.querySelectorAll("textarea[data-count]")) {
  const words = area.dataset.count;
  const line = document.createElement("p");
  line.className = "counter";
  area.after(line);
  const show = () => {
    const n = Array.from(area.value.trim()).length;
    line.textContent = words.replace("{n}", n).replace("{max}", area.maxLength);
    line.classList.toggle("enough", n >= Number(area.dataset.min));
  };
  area.addEventListener("input", show);
  show();
}

// A form is sent once: a double click does not open a record twice.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    form.classList.add("sent");
  });
}
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.classList.remove("sent");
  }
});

// What happens meanwhile, on the page of the tour: the section is read again while there is something new.
const live = document.querySelector("[data-live]");
if (live) {
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(live.dataset.live, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(live.id);
      if (page.textContent !== live.textContent) live.replaceChildren(...page.childNodes);
      if (!("live" in page.dataset)) clearInterval(timer);
    } catch { /* the demo has ended: the page stays as it is */ }
  }, 2000);
}

// The idle lock: the server has its own; this one hides what is on the screen and keeps the page.
const idle = Number(document.body.dataset.idle || 0);
if (idle > 0) {
  const began = Date.now();
  let warned = null;

  const lock = () => {
    const veil = document.createElement("div");
    veil.className = "veil";
    veil.setAttribute("role", "dialog");
    veil.setAttribute("aria-modal", "true");
    veil.setAttribute("aria-labelledby", "lock-title");
    veil.append(document.getElementById("lock-text").content.cloneNode(true));
    for (const part of document.body.children) if (part !== veil) part.inert = true;
    document.body.classList.add("locked");
    document.body.append(veil);
    veil.querySelector("a").focus();
    veil.querySelector("[data-resume]").addEventListener("click", () => resume(veil));
  };

  const resume = async (veil) => {
    const note = veil.querySelector("[data-still]");
    note.textContent = "";
    try {
      const answer = await fetch("/session", { method: "HEAD", redirect: "manual", cache: "no-store" });
      if (answer.ok) {
        veil.remove();
        document.body.classList.remove("locked");
        for (const part of document.body.children) part.inert = false;
        start(Date.now());
        return;
      }
    } catch { /* the network is away: still locked */ }
    note.textContent = note.dataset.still;
  };

  const start = (from) => {
    const timer = setInterval(() => {
      const seconds = idle - (Date.now() - from) / 1000;
      if (seconds <= 0) {
        clearInterval(timer);
        if (warned) warned.remove();
        warned = null;
        lock();
      } else if (seconds <= 60 && !warned) {
        warned = document.getElementById("idle-text").content.firstElementChild.cloneNode(true);
        document.body.append(warned);
        warned.textContent = warned.dataset.text;
      }
    }, 1000);
  };
  start(began);
}
