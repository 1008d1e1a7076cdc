// Small makers of elements, and a message's text with emoji as images, bold words and links.

export function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== "") made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const EMOJI = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u;
const DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const PARTS = /(\*\S(?:[^*\n]*\S)?\*|https?:\/\/\S+)/u;

function withEmoji(text) {
  const nodes = [];
  let plain = "";
  for (const { segment } of graphemes.segment(text)) {
    if (!EMOJI.test(segment)) {
      plain += segment;
      continue;
    }
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(element("img", { class: "emoji", src: DOT, alt: segment, "data-plain-text": segment, draggable: "false" }));
  }
  if (plain) nodes.push(plain);
  return nodes;
}

export function formatted(text, mark) {
  return text.split(PARTS).flatMap((part) => {
    if (/^https?:\/\/\S+$/u.test(part)) {
      const attributes = { href: part, title: part, dir: "auto", target: "_blank", rel: "noopener noreferrer" };
      return [element("a", { ...attributes, ...mark }, [part])];
    }
    if (/^\*\S(?:.*\S)?\*$/u.test(part)) {
      return [element("strong", { "data-app-text-template": "*${appText}*", ...mark }, withEmoji(part.slice(1, -1)))];
    }
    return withEmoji(part);
  });
}

export function direction(text) {
  // The first letter that has a direction decides.
  const first = /\p{L}/u.exec(text)?.[0] ?? "a";
  return /[\p{Script=Hebrew}\p{Script=Arabic}]/u.test(first) ? "rtl" : "ltr";
}
