// The list of chats and the box that filters it.

import { element } from "./text.js";

const HEIGHT = 72;

export class Side {
  constructor(state, open) {
    this.state = state;
    this.open = open;
    this.query = "";
    const { traits, words } = state;
    this.label = (text) => (traits.labels ? { "aria-label": text } : {});
    this.testId = (name) => (traits.test_ids ? { "data-testid": name } : {});
    this.list = element("div", {
      class: "chats",
      role: traits.row_role === "row" ? "grid" : "list",
      ...this.label(words.chat_list),
      ...this.testId("chat-list"),
    });
    this.pane = element("div", { id: "pane-side" }, [this.list]);
    this.pane.addEventListener("scroll", () => this.draw());
    const box = element("div", { class: "search", ...this.testId("chat-list-search-container") }, [this.box()]);
    this.element = element("div", { id: "side" }, [box, this.pane]);
  }

  box() {
    const { traits, words } = this.state;
    if (traits.search === "editable") {
      const attributes = { contenteditable: "true", role: "textbox", "data-tab": "3", ...this.label(words.search) };
      const box = element("div", attributes, [element("p")]);
      box.addEventListener("input", (event) => event.isTrusted && this.filter(box.textContent));
      return box;
    }
    const box = element("input", { type: "text", "data-tab": "3", autocomplete: "off", ...this.label(words.search) });
    box.addEventListener("keyup", (event) => event.isTrusted && this.filter(box.value));
    return box;
  }

  filter(text) {
    this.query = text.trim().toLocaleLowerCase();
    this.pane.scrollTop = 0;
    this.draw();
  }

  update(state) {
    this.state = state;
    this.draw();
  }

  draw() {
    const bare = (title) => title.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").toLocaleLowerCase();
    const found = this.state.chats.filter((chat) => bare(chat.title).includes(this.query));
    // Searching puts a heading above what was found: a row that is no chat.
    const rows = this.query ? [null, ...found] : found;
    this.list.style.height = `${rows.length * HEIGHT}px`;
    const screen = this.pane.clientHeight || window.innerHeight;
    const first = Math.floor((this.pane.scrollTop - screen) / HEIGHT);
    const last = Math.ceil((this.pane.scrollTop + 2 * screen) / HEIGHT);
    const drawn = rows.map((chat, index) => [chat, index]).filter(([, index]) => index >= first && index <= last);
    const signature = JSON.stringify(drawn);
    if (signature === this.signature) return;
    this.signature = signature;
    this.list.replaceChildren(...drawn.map(([chat, index]) => this.row(chat, index)));
  }

  row(chat, index) {
    const row = element("div", { role: this.state.traits.row_role, class: chat ? "chat" : "chat chat-heading" });
    row.style.top = `${index * HEIGHT}px`;
    if (!chat) {
      row.append(this.state.words.chats);
      return row;
    }
    const preview = `\u202a${chat.preview}\u202c`;
    row.append(
      element("div", this.testId("cell-frame-container"), [
        element("div", this.testId("cell-frame-title"), [element("span", { dir: "auto", title: chat.title }, [chat.title])]),
        element("div", this.testId("cell-frame-secondary"), [element("span", { dir: "ltr", title: preview }, [preview])]),
      ]),
    );
    // Like the real list, on the press of a mouse that a script cannot feign.
    row.addEventListener("mousedown", (event) => event.isTrusted && this.open(chat));
    return row;
  }
}
