// Security keys and passkeys: asks the server what to answer, the browser's key for the answer, and sends it
// with the form. Whoever has no key, or no script, types a code instead.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

// What the browser wants in buffers comes as text, and the other way round.
const calls = {
  create: async (asked) => {
    const made = await navigator.credentials.create({ publicKey: {
      ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) }, excludeCredentials: known(asked.excludeCredentials),
    } });
    return answer(made, {
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    });
  },
  get: async (asked) => {
    const used = await navigator.credentials.get({ publicKey: {
      ...asked, challenge: bytes(asked.challenge), allowCredentials: known(asked.allowCredentials),
    } });
    const response = { authenticatorData: text(used.response.authenticatorData), signature: text(used.response.signature) };
    if (used.response.userHandle) response.userHandle = text(used.response.userHandle);
    return answer(used, response);
  },
};

const answer = (credential, response) => JSON.stringify({
  id: credential.id, rawId: text(credential.rawId), type: credential.type, clientExtensionResults: {},
  authenticatorAttachment: credential.authenticatorAttachment || undefined,
  response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
});

if (window.PublicKeyCredential) {
  for (const note of document.querySelectorAll("[data-nokey]")) note.hidden = true;
  for (const form of document.querySelectorAll("form[data-key]")) {
    form.hidden = false;
    const status = form.querySelector("[data-status]");
    const button = form.querySelector("button");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      status.textContent = "";
      button.disabled = true;
      try {
        const asked = await fetch(form.dataset.ask, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error" });
        const said = await asked.json();
        if (!asked.ok) throw new Error(said.error);
        form.elements.answer.value = await calls[form.dataset.key](said.publicKey);
        form.submit();
      } catch (problem) {
        status.textContent = problem instanceof DOMException || problem instanceof TypeError || problem instanceof SyntaxError ? form.dataset.failed : problem.message;
        button.disabled = false;
      }
    });
  }
}
