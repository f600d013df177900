// Four comforts for the sign-in pages; everything works without them.
"use strict";

// 1. A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  });
}
// A page that the back button brings again must be usable again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

// 2. The wait for a new code counts down, from what the server's clock said.
const resend = document.querySelector("form[data-wait]");
if (resend) {
  const sentence = resend.querySelector("[data-many]");
  const button = resend.querySelector("button");
  const until = performance.now() + Number(resend.dataset.wait) * 1000;
  button.disabled = true;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left > 0) {
      sentence.textContent = left === 1 ? sentence.dataset.one : sentence.dataset.many.replace("{n}", left);
      return;
    }
    clearInterval(timer);
    button.disabled = false;
    sentence.textContent = sentence.dataset.ready;
    document.querySelector("[data-announce]").textContent = sentence.dataset.ready;
  };
  const timer = setInterval(tick, 250);
  tick();
}

// 3. Where the browser can, it offers the code from the message (WebOTP).
const codeForm = document.querySelector("form[data-code-form]");
if (codeForm && "OTPCredential" in window) {
  const stop = new AbortController();
  codeForm.addEventListener("submit", () => stop.abort());
  navigator.credentials
    .get({ otp: { transport: ["sms"] }, signal: stop.signal })
    .then((credential) => {
      codeForm.elements.code.value = credential.code;
      codeForm.requestSubmit();
    })
    .catch(() => {});
}

// 4. A page that only leads on to another site does so. After it is loaded, so that it stays in the history: the
// back button leads here from a site that shows an error.
window.addEventListener("load", () =>
  setTimeout(() => {
    document.querySelector("form[data-posts-itself]")?.requestSubmit();
    document.querySelector("a[data-leads-on]")?.click();
  }),
);
