// Keeps the page as the server says: which screen, which chats, which messages.

import { Panel } from "./panel.js";
import { Side } from "./side.js";
import { databaseError, loading, signIn } from "./screens.js";

const app = document.getElementById("app");
const device = (localStorage.device ??= crypto.randomUUID());

let state = null;
let screen = "";
let side = null;
let panel = null;
let orders = null;
let loaded = false;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function obey(order) {
  if (orders === null || order.number === orders) {
    orders = order.number;
    return;
  }
  orders = order.number;
  if (order.what === "reload") location.reload();
  if (order.what === "freeze") {
    const end = Date.now() + order.ms;
    while (Date.now() < end);
  }
  if (order.what === "break") {
    app.replaceChildren();
    throw new Error("the page is told to break");
  }
}

// Everything that carries names or labels is drawn again when the page is to be written otherwise.
function writing() {
  return JSON.stringify([state.traits, state.locale]);
}

async function showChats() {
  if (!loaded) {
    loaded = true;
    screen = "loading";
    app.replaceChildren(loading(state));
    await pause(state.loadingMs);
  }
  const drawn = writing();
  if (screen !== drawn) {
    const open = panel?.chat?.id;
    screen = drawn;
    const frame = document.createElement("div");
    frame.className = "window";
    side = new Side(state, (chat) => panel.open(chat));
    panel?.leave();
    panel = new Panel(state);
    frame.append(side.element, panel.element);
    app.replaceChildren(frame);
    side.draw();
    const chat = state.chats.find((one) => one.id === open);
    if (chat) panel.open(chat);
    return;
  }
  side.update(state);
  // Not waited for: a slow answer must not hold up a sign-out.
  panel.update(state);
}

async function apply() {
  document.documentElement.lang = state.locale;
  document.documentElement.dir = state.direction;
  obey(state.order);
  if (state.state === "ready") {
    await showChats();
    return;
  }
  panel?.leave();
  side = panel = null;
  loaded = state.state === "loading";
  screen = state.state;
  const screens = { qr: signIn, loading, database_error: databaseError };
  app.replaceChildren(screens[state.state](state));
}

async function listen() {
  for (;;) {
    let answer;
    try {
      const since = state?.revision ?? -1;
      answer = await fetch(`/api/state?device=${device}&since=${since}`);
      state = await answer.json();
    } catch {
      await pause(500);
      continue;
    }
    await apply();
  }
}

await listen();
