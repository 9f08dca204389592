// The page works without this script. It highlights claims, copies text, and replaces only the
// result of a run.
"use strict";

function ready() {
  for (const step of document.querySelectorAll("[data-step]")) {
    const light = on => {
      for (const claim of document.querySelectorAll("[data-steps]")) {
        claim.classList.toggle("lit", on && claim.dataset.steps.split(" ").includes(step.dataset.step));
      }
    };
    for (const event of ["mouseenter", "focus"]) step.addEventListener(event, () => light(true));
    for (const event of ["mouseleave", "blur"]) step.addEventListener(event, () => light(false));
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.closest("figure").querySelector("pre").textContent);
      button.textContent = "Copied";
    });
  }
}

document.getElementById("controls").addEventListener("submit", async event => {
  event.preventDefault();
  const form = event.target, button = event.submitter, status = document.getElementById("status");
  document.body.classList.add("busy");
  status.textContent = "Running";
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, button)) });
    if (!response.ok) throw new Error(await response.text());
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    document.getElementById("result").replaceWith(fresh.getElementById("result"));
    for (const b of form.querySelectorAll("[aria-current]")) b.removeAttribute("aria-current");
    if (button && button.value) button.setAttribute("aria-current", "true");
    for (const box of form.querySelectorAll("input")) box.checked = fresh.querySelector(`input[name=${box.name}]`).checked;
    ready();
    document.getElementById("result").focus();
    status.textContent = (document.getElementById("outcome") || document.querySelector(".verdict h2")).textContent;
  } catch (error) {
    const note = document.createElement("p");
    status.textContent = "";
    note.setAttribute("role", "alert");
    note.textContent = error instanceof TypeError ? "The playground does not answer: start the command again." : error.message;
    document.getElementById("result").prepend(note);
  } finally {
    document.body.classList.remove("busy");
  }
});

ready();
