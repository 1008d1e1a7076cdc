// The open chat: header, messages drawn near the visible part only, older ones loaded at the top.

import { Row } from "./rows.js";
import { element } from "./text.js";

const PAGE = 40;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export class Panel {
  constructor(state) {
    this.state = state;
    this.chat = null;
    this.rows = [];
    this.first = null;
    this.busy = false;
    this.stale = false;
    this.asked = 0;
    this.waiting = false;
    this.element = element("div", { id: "main" });
    this.element.hidden = true;
    this.visible = () => this.refresh();
    document.addEventListener("visibilitychange", this.visible);
    window.addEventListener("resize", this.visible);
  }

  leave() {
    document.removeEventListener("visibilitychange", this.visible);
    window.removeEventListener("resize", this.visible);
    this.chat = null;
    this.asked += 1;
  }

  testId(name) {
    return this.state.traits.test_ids ? { "data-testid": name } : {};
  }

  label(text) {
    return this.state.traits.labels ? { "aria-label": text } : {};
  }

  async open(chat) {
    this.chat = chat;
    this.first = null;
    this.asked += 1;
    const turn = this.asked;
    const said = await this.ask(chat, -PAGE);
    // Somebody may have opened another chat in the meantime.
    if (!said || turn !== this.asked) return;
    this.rows = [];
    this.build();
    this.take(said);
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.refresh();
    this.again();
  }

  async ask(chat, start) {
    const query = new URLSearchParams({ id: chat.id, start, zone: ZONE });
    try {
      const answer = await fetch(`/api/chat?${query}`);
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  build() {
    const policy = this.state.traits.scroller_policy ? "wa.web.conversation.messages" : null;
    this.top = element("div", { class: "top" });
    this.list = element("div", { class: "rows", role: "application" });
    this.scroller = element(
      "div",
      { class: "scroller", tabindex: "0", "data-scrolltracepolicy": policy, ...this.testId("conversation-panel-messages") },
      [this.top, this.list],
    );
    this.scroller.addEventListener("scroll", () => this.scrolled());
    const messages = element("div", { class: "messages" }, [this.scroller]);
    this.element.replaceChildren(this.header(), messages, this.composer());
    this.element.hidden = false;
  }

  header() {
    const { chat } = this;
    const icon = element("span", { "aria-hidden": "true", "data-icon": "wds-ic-community" }, ["wds-ic-community"]);
    const members = element("span", { title: chat.members, ...this.testId("chat-subtitle") }, [chat.members]);
    return element("header", this.testId("conversation-header"), [
      icon,
      element("div", { role: "button", ...this.testId("conversation-info-header") }, [
        element("div", {}, [element("span", { dir: "auto" }, [chat.title])]),
        members,
      ]),
    ]);
  }

  composer() {
    const { words } = this.state;
    const box = element("div", { contenteditable: "true", role: "textbox", "data-tab": "10", ...this.label(words.composer) });
    box.addEventListener("input", () => this.touched("typed"));
    const send = element("button", { type: "button", ...this.label(words.send) }, [element("span", { "data-icon": "send" })]);
    send.addEventListener("click", () => this.touched("sent"));
    return element("footer", {}, [box, send]);
  }

  touched(what) {
    const body = new URLSearchParams({ what, group: this.chat?.title ?? "" });
    fetch("/api/touch", { method: "POST", body });
  }

  // Puts rows in place; a row that says the same as before stays the same element.
  take(said) {
    const known = new Map(this.rows.map((row) => [row.said.key, row]));
    this.first = said.first;
    this.behind = said.behindButton;
    this.rows = said.rows.map((line) => {
      const row = known.get(line.key);
      const same = row && JSON.stringify(row.said) === JSON.stringify(line);
      return same ? row : new Row(line, this.state, (what) => this.touched(what));
    });
    this.list.replaceChildren(...this.rows.map((row) => row.element));
    this.drawTop(said);
  }

  drawTop(said) {
    const { words } = this.state;
    this.above = said.top;
    this.top.replaceChildren();
    if (said.top === "button") {
      const button = element("button", { type: "button" }, [words.older]);
      button.addEventListener("click", () => this.older());
      this.top.append(button);
    }
    if (said.top === "end") this.top.append(element("div", { class: "notice" }, [said.historyEnd]));
  }

  scrolled() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.refresh();
      if (this.above === "more" && this.scroller.scrollTop < 30) this.older();
    });
  }

  async older() {
    if (this.busy || !this.chat || this.first === null) return;
    this.busy = true;
    this.asked += 1;
    const turn = this.asked;
    const { chat } = this;
    const stop = this.first > this.behind ? this.behind : 0;
    const said = await this.ask(chat, Math.max(stop, this.first - PAGE));
    this.busy = false;
    if (!said || turn !== this.asked) {
      this.again();
      return;
    }
    const below = this.scroller.scrollHeight - this.scroller.scrollTop;
    this.take(said);
    this.scroller.scrollTop = this.scroller.scrollHeight - below;
    this.refresh();
    this.again();
  }

  again() {
    if (!this.stale) return;
    this.stale = false;
    this.update(this.state);
  }

  async update(state) {
    this.state = state;
    const { chat } = this;
    if (!chat) return;
    if (this.busy || this.first === null) {
      // Asked again when what is on its way has come.
      this.stale = true;
      return;
    }
    this.asked += 1;
    const turn = this.asked;
    const said = await this.ask(chat, this.first);
    // Only the last question counts, and none from before older ones came.
    if (!said || turn !== this.asked) return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < 40;
    this.take(said);
    this.scroller.scrollTop = atEnd ? this.scroller.scrollHeight : scrollTop;
    this.refresh();
  }

  // Draws what is within one screen of the visible part; in a hidden tab the last row only.
  refresh() {
    if (!this.scroller || !this.chat) return;
    const hidden = this.state.hidden || document.visibilityState === "hidden";
    const view = this.scroller.getBoundingClientRect();
    // All places are read before anything is written, or the browser would lay out once a row.
    const places = this.rows.map((row) => row.element.getBoundingClientRect());
    this.rows.forEach((row, index) => {
      const { top, bottom, height } = places[index];
      const near = bottom >= view.top - view.height && top <= view.bottom + view.height;
      const drawn = hidden ? index === this.rows.length - 1 : near;
      if (drawn) row.draw();
      else row.empty(height);
    });
  }
}
