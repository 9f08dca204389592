// A page without tokens: the server keeps them, and calls the API.
const element = id => document.getElementById(id)

let session = { signed_in: false }

async function loadSession() {
  session = await (await fetch("/session")).json()
  element("who").textContent = session.signed_in ? `You are ${session.sub}.` : "You are nobody."
  for (const id of ["actions", "out"]) element(id).hidden = !session.signed_in
  element("in").hidden = session.signed_in
}

// returnHere adds this page to the address of a login.
function returnHere(address) {
  const to = new URL(address, location.origin)
  to.searchParams.set("return_to", location.pathname + location.search)
  return to
}

// call sends a request to the API. The header proves that this page makes it.
async function call(method, path, body) {
  const response = await fetch("/api" + path, { method, body, headers: { "X-CSRF-Token": session.csrf_token } })
  if (response.ok) return response.text()
  const problem = await response.json()
  if (problem.login) { // a step-up, or more scope: the API requires another login
    location.assign(returnHere(problem.login))
    return "One moment."
  }
  if (response.status === 401) await loadSession()
  return `Not done: ${problem.error}`
}

function show(id, method, path, body) {
  element(id).addEventListener("click", async () => { element("answer").textContent = await call(method, path, body) })
}

show("photos", "GET", "/photos")
show("originals", "GET", "/originals")
show("upload", "POST", "/photos", "a photo")
element("in").href = returnHere("/login")
await loadSession()
