// The screens that stand in for the chats.

import { element } from "./text.js";

function squares(code) {
  // Looks like a QR code and is none: the same squares for the same text.
  const canvas = element("canvas", { width: 264, height: 264 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, 264, 264);
  pen.fillStyle = "#000";
  let seed = 7;
  for (let i = 0; i < 33 * 33; i += 1) {
    seed = (seed * 31 + code.charCodeAt(i % code.length) + i) % 65521;
    if (seed % 2) pen.fillRect((i % 33) * 8, Math.floor(i / 33) * 8, 8, 8);
  }
  return canvas;
}

export function signIn({ traits, words, code }) {
  const canvas = squares(code);
  let picture = canvas;
  if (traits.qr === "img") {
    picture = element("img", { alt: words.scan_image, src: canvas.toDataURL() });
  } else if (traits.labels) {
    canvas.setAttribute("aria-label", words.scan);
    canvas.setAttribute("role", "img");
  }
  const testId = (name) => (traits.test_ids ? { "data-testid": name } : {});
  return element("div", { class: "screen landing-wrapper" }, [
    element("div", testId("intro-title"), [words.login_title]),
    element("div", { "data-ref": code, ...testId("qrcode") }, [picture]),
    element("a", { href: "#phone-number", role: "button" }, [words.by_phone]),
  ]);
}

export function loading({ traits, words }) {
  return element("div", { class: "screen", ...(traits.test_ids ? { "data-testid": "startup" } : {}) }, [
    element("progress", {}),
    element("div", {}, [words.loading]),
  ]);
}

export function databaseError({ words }) {
  return element("div", { class: "screen" }, [
    element("div", { role: "alertdialog" }, [element("div", {}, [words.database_error])]),
  ]);
}
