// One row of the panel: a divider, a line of WhatsApp's own, or a message, written as the build does.

import { direction, element, formatted } from "./text.js";

const CUT = 700;
const STEP = 3000;

let picture = null;

function blob() {
  // A picture of one dot, kept by the browser itself: nothing is asked from anywhere.
  if (!picture) {
    const dot = Uint8Array.from(atob("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), (c) => c.charCodeAt(0));
    picture = URL.createObjectURL(new Blob([dot], { type: "image/gif" }));
  }
  return picture;
}

export class Row {
  constructor(said, state, touched) {
    this.said = said;
    this.state = state;
    this.touched = touched;
    this.limit = CUT;
    this.element = element("div", { role: "row", class: state.traits.test_ids ? "x1n2onr6" : "" });
    this.draw();
  }

  // Builds the content; what is out of sight keeps its place and loses its content.
  draw() {
    if (this.element.firstChild) return;
    this.element.append(this.content());
    this.element.style.height = "";
    this.virtualized("false");
  }

  empty(height) {
    if (!this.element.firstChild) return;
    this.element.style.height = `${height}px`;
    this.element.replaceChildren();
    this.virtualized("true");
  }

  virtualized(value) {
    if (this.state.traits.scroller_policy) this.element.setAttribute("data-virtualized", value);
  }

  label(text) {
    return this.state.traits.labels ? { "aria-label": text } : {};
  }

  testId(name) {
    return this.state.traits.test_ids ? { "data-testid": name } : {};
  }

  // What marks the words of a message, or of a part of them.
  mark() {
    const { body } = this.state.traits;
    if (body === "class") return { class: "selectable-text copyable-text" };
    return body === "test_id" ? { "data-testid": "selectable-text" } : {};
  }

  content() {
    const { said } = this;
    if (said.kind === "divider" || said.kind === "system") {
      return element("div", { class: "notice" }, [element("span", { dir: "auto" }, [said.text])]);
    }
    const { traits } = this.state;
    const side = said.own ? "out" : "in";
    const line = element("div", {
      class: `line line-${side}${traits.direction_classes ? ` message-${side} focusable-list-item` : ""}`,
    });
    if (said.own) line.append(element("span", this.label(`${this.state.words.you}:`)));
    if (said.first) line.append(element("span", { "aria-hidden": "true", "data-icon": `tail-${side}` }));
    line.append(element("div", { class: "bubble" }, this.bubble()));
    const attributes = { tabindex: "-1", ...this.testId(`conv-msg-${said.id}`), "data-id": said.dataId };
    return element("div", attributes, [line]);
  }

  bubble() {
    const { said } = this;
    const parts = [];
    if (said.first && !said.own) parts.push(this.author());
    if (said.forwarded) {
      const icon = element("span", { "data-icon": "forward-refreshed" });
      parts.push(element("div", {}, [icon, this.state.words.forwarded]));
    }
    parts.push(...this.body(), this.meta());
    for (const reaction of said.reactions) {
      const button = element("button", { ...this.label(reaction), type: "button" }, [
        reaction.match(/\p{Extended_Pictographic}/u)?.[0] ?? "",
      ]);
      button.addEventListener("click", () => this.touched("reacted"));
      parts.push(button);
    }
    return parts;
  }

  author() {
    const { said } = this;
    if (!said.unsaved || !said.pushName) {
      return element("div", { class: "author" }, [element("span", { dir: "auto", ...this.testId("author") }, [said.sender])]);
    }
    return element("div", { class: "author" }, [
      element("span", { class: "_ahx_", dir: "auto" }, [said.sender]),
      element("span", { dir: "auto", ...this.testId("author"), ...this.label(said.maybe) }, [`~${said.pushName}`]),
    ]);
  }

  body() {
    const { said } = this;
    const { words } = this.state;
    if (said.kind === "deleted") {
      const icon = element("span", { "data-icon": "recalled" });
      return [element("div", {}, [icon, said.own ? words.deleted_own : words.deleted])];
    }
    if (said.kind === "contact") {
      const [name, number = ""] = said.text.split("\n");
      return [
        element("div", { dir: "auto" }, [`~${name}`]),
        element("div", { dir: "auto" }, [number]),
        element("div", { role: "button" }, [words.message_contact]),
      ];
    }
    const parts = this.media();
    if (said.header) {
      const copyable = element("div", { class: "copyable-text", [this.state.traits.header_attribute]: said.header });
      if (said.quote) copyable.append(this.quote());
      copyable.append(element("div", {}, this.words()));
      parts.push(copyable);
    }
    return parts;
  }

  media() {
    const { words } = this.state;
    const button = (label) => element("div", { role: "button", ...this.label(label) });
    switch (this.said.kind) {
      case "image": {
        const open = button(words.picture);
        open.append(element("img", { class: "picture", src: blob(), alt: "" }));
        return [open];
      }
      case "gif":
        return [button(words.gif)];
      case "voice": {
        const slider = element("div", { role: "slider", "aria-valuetext": "0:00/0:37", tabindex: "0" });
        return [element("button", { type: "button", ...this.label(words.voice) }), slider, "0:37"];
      }
      default:
        return [];
    }
  }

  quote() {
    const [sender, text] = this.said.quote;
    const { body } = this.state.traits;
    const mark = body === "class" ? { class: "quoted-mention" } : this.mark();
    return element("div", { class: "quote", role: "button", ...this.label(this.state.words.quoted) }, [
      element("div", {}, [element("span", { dir: "auto" }, [sender])]),
      element("div", {}, [element("span", { dir: direction(text), ...mark }, formatted(text, mark))]),
    ]);
  }

  words() {
    const { text } = this.said;
    const letters = [...text];
    const shown = letters.length > this.limit ? `${letters.slice(0, this.limit).join("")}…` : text;
    const mark = this.mark();
    const attributes = { dir: direction(text), ...mark, class: `words ${mark.class ?? ""}`.trim() };
    const parts = [element("span", attributes, [element("span", {}, formatted(shown, mark))])];
    if (letters.length > this.limit) {
      const more = element("div", { role: "button", class: "more", tabindex: "0" }, [this.state.words.read_more]);
      more.addEventListener("click", () => {
        this.limit += STEP;
        this.element.replaceChildren();
        this.draw();
      });
      parts.push(more);
    }
    return parts;
  }

  meta() {
    const { said } = this;
    const parts = [];
    if (said.edited) parts.push(element("span", {}, [this.state.words.edited]), " ");
    parts.push(element("span", { dir: "auto" }, [said.time]));
    if (said.own) {
      parts.push(element("span", { "data-icon": "msg-dblcheck", ...this.label(` ${this.state.words.read} `) }));
    }
    return element("div", { class: "meta", ...this.testId("msg-meta") }, parts);
  }
}
