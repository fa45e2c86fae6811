// The sample page: an application in front of whisk-bff. It calls its own origin and nothing
// else, and never sees a token; that it is logged in it learns from `/auth/session`.

import { becomeVisitor, call, Failure } from "/calls.js";

/** Milliseconds between two looks at the profile, while somebody looks at the page. */
const POLL = 5_000;
const LIST = "/v2/lists/groceries/items";
const $ = (id) => document.getElementById(id);

let session = null;
let items = [];
let token = null;
/** What is begun in one turn does nothing more when another has come. */
let turn = 0;
let timer = null;
let fading = null;
let misses = 0;

// ---- what is shown ----------------------------------------------------------------------------

/** Tells it, to screen readers too. What went well need not stay. */
function say(text, warn = false) {
  const notice = $("notice");
  clearTimeout(fading);
  notice.classList.toggle("warn", warn);
  if (notice.textContent !== text) notice.textContent = text;
  if (!warn) fading = setTimeout(() => (notice.textContent = ""), 8_000);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function show(id) {
  for (const part of ["welcome", "home"]) $(part).hidden = part !== id;
  $("account").hidden = id !== "home";
}

function showWelcome(text, warn = false) {
  halt();
  const was = session;
  session = token = null;
  showItems([]);
  show("welcome");
  say(text, warn);
  // What had the focus is gone.
  if (was) $("welcome-title").focus();
}

function showSession() {
  const visitor = session.kind === "anonymous";
  $("visiting").hidden = $("login-visitor").hidden = !visitor;
  $("session-since-label").textContent = visitor ? "Here" : "Logged in";
  $("logout").textContent = visitor ? "Forget me" : "Log out";
  const time = (id, text) => {
    $(id).dateTime = text;
    $(id).textContent = new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    $(id).title = text;
  };
  time("session-since", session.created_at);
  time("session-idle", session.idle_expires_at);
  time("session-end", session.expires_at);
}

function showProfile(me) {
  $("home-title").textContent = me.anonymous ? "Welcome" : `Hello, ${me.name}`;
  $("account-name").textContent = me.anonymous ? "" : me.name;
  $("profile-name").textContent = me.name;
  $("profile-id").textContent = me.id;
  $("profile-scopes").replaceChildren(...me.scopes.map((scope) => element("li", { textContent: scope })));
}

/** The API tells which token of this login it was called with; the token itself stays away. */
function showToken(me) {
  $("token").hidden = me.token_serial === undefined;
  if (me.token_serial === undefined) return;
  token = { serial: me.token_serial, issued: me.token_issued_at, expires: me.token_expires_at };
  const count = token.serial - 1;
  $("token-renewals").textContent = count;
  $("token-renewals-unit").textContent =
    `${count === 1 ? "renewal" : "renewals"} of the access token, behind this page's back`;
  const at = new Date(token.issued).toLocaleTimeString();
  $("token-last").textContent = count ? `Access token renewed, last at ${at}.` : `First access token since ${at}.`;
  showLife();
}

function showLife() {
  if (!token) return;
  const left = Math.max(0, token.expires - Date.now());
  $("token-life").value = Math.min(1, left / (token.expires - token.issued));
  const days = Math.floor(left / 86_400_000);
  const span = days > 1 ? `${days} days` : `${Math.ceil(left / 1000)} s`;
  $("token-left").textContent = left ? span : "nothing more: the next call renews it";
}

function showItems(found) {
  const shown = JSON.stringify(items) === JSON.stringify(found);
  items = found;
  if (!shown) $("items").replaceChildren(...items.map(itemRow));
  $("items-empty").hidden = items.length > 0;
}

function itemRow(item) {
  const path = `${LIST}/${encodeURIComponent(item.id)}`;
  const tick = element("input", { type: "checkbox", checked: item.checked });
  tick.addEventListener("change", () => act(tick, async () => {
    const checked = tick.checked;
    tick.checked = item.checked;
    Object.assign(item, await call("PATCH", path, { checked }));
    tick.checked = item.checked;
  }));
  const remove = element("button", { type: "button", className: "quiet", textContent: "Remove" });
  remove.setAttribute("aria-label", `Remove ${item.name}`);
  const row = element("li", {}, element("label", {}, tick, element("span", { textContent: item.name })), remove);
  remove.addEventListener("click", () => act(remove, async () => {
    await call("DELETE", path);
    items = items.filter((one) => one !== item);
    const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector("button");
    row.remove();
    $("items-empty").hidden = items.length > 0;
    (next ?? $("add-name")).focus();
    say(`${item.name} removed.`);
  }));
  return row;
}

function showRecipes(recipes) {
  if ($("recipes").children.length === recipes.length) return;
  $("recipes").replaceChildren(...recipes.map((recipe) => {
    const body = element("div", {}, element("p", { className: "small", textContent: "…" }));
    const details = element("details", {}, element("summary", { textContent: recipe.name }), body);
    details.addEventListener("toggle", () => {
      if (details.open) act(null, () => showRecipe(recipe.id, body));
    });
    return details;
  }));
}

async function showRecipe(id, body) {
  const recipe = await call("GET", `/v2/recipes/${encodeURIComponent(id)}`);
  const lines = (name, all) => element(name, {}, ...all.map((line) => element("li", { textContent: line })));
  body.replaceChildren(
    element("p", { className: "small", textContent: `For ${recipe.servings}` }),
    lines("ul", recipe.ingredients),
    lines("ol", recipe.steps),
  );
}

// ---- what is done -----------------------------------------------------------------------------

/** Does what a person asked for; `control` cannot be used meanwhile. */
async function act(control, deed) {
  const mine = turn;
  const focused = document.activeElement === control;
  if (control) control.disabled = true;
  try {
    await patiently(deed);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (mine !== turn && failure.kind === "login") return;
    if (failure.kind === "login") showWelcome(failure.message, true);
    else say(`Not done: ${failure.message}`, true);
  } finally {
    if (control) control.disabled = false;
    // Being disabled took the focus away.
    if (focused && document.activeElement === document.body) control.focus();
  }
}

/** Repeats what the broker kept back, when it says, three times at most. */
async function patiently(deed) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await deed();
      if (attempt > 1) say("Done.");
      return;
    } catch (failure) {
      if (!failure.untouched || attempt > 3) throw failure;
      say(`Back in a moment. ${failure.message}`, true);
      await new Promise((done) => setTimeout(done, failure.after * 1000));
    }
  }
}

async function addItem(form) {
  const input = $("add-name");
  const name = input.value.trim();
  if (!name) return;
  const item = await call("POST", LIST, { name });
  items.push(item);
  $("items").append(itemRow(item));
  $("items-empty").hidden = true;
  form.reset();
  input.focus();
  say(`${item.name} added.`);
}

async function logOut() {
  const visitor = session?.kind === "anonymous";
  await call("POST", "/auth/logout");
  showWelcome(visitor ? "This browser is forgotten." : "You are logged out.");
}

async function visit() {
  await becomeVisitor();
  await start();
  if (session?.kind === "anonymous") $("home-title").focus();
}

// ---- how it goes on ---------------------------------------------------------------------------

/** Looks whether somebody is logged in, shows everything, and begins to watch. */
async function start() {
  const mine = halt();
  try {
    const found = await call("GET", "/auth/session");
    if (mine !== turn) return;
    if (!found.authenticated) return showWelcome(session ? "Your session has ended." : "", Boolean(session));
    session = found;
    const [me, list, recipes] = await Promise.all(["/v2/me", LIST, "/v2/recipes"].map((path) => call("GET", path)));
    if (mine !== turn) return;
    showProfile(me);
    showToken(me);
    showSession();
    showItems(list.items);
    showRecipes(recipes.recipes);
    show("home");
    goOn(mine);
  } catch (failure) {
    later(mine, failure, start);
  }
}

/** One look at the profile: a call like any other, and calls are what renews a token. */
async function watch(mine) {
  try {
    const before = token?.serial;
    const me = await call("GET", "/v2/me");
    if (mine !== turn) return;
    // Somebody else has logged in, in another tab.
    if (me.id !== $("profile-id").textContent) return start();
    showToken(me);
    if (token?.serial !== before) {
      const found = await call("GET", "/auth/session");
      if (mine !== turn) return;
      if (!found.authenticated) return showWelcome("Your session has ended.", true);
      session = found;
      showSession();
    }
    goOn(mine);
  } catch (failure) {
    later(mine, failure, () => watch(mine));
  }
}

function goOn(mine) {
  if (misses) say("Back again.");
  misses = 0;
  // Where tokens live for seconds, one looks more often.
  const left = token ? token.expires - Date.now() : POLL;
  schedule(() => watch(mine), Math.min(POLL, Math.max(1_000, left / 2)));
}

/** After a failure of what nobody asked for: says so, and tries again without being told to. */
function later(mine, failure, again) {
  if (mine !== turn) return;
  if (!(failure instanceof Failure)) throw failure;
  if (failure.kind === "login") return showWelcome(failure.message, true);
  misses += 1;
  const backOff = Math.min(30, 2 ** misses);
  const busy = failure.kind === "busy";
  say(busy ? `Back in a moment. ${failure.message}` : `${failure.message} Trying again…`, true);
  schedule(again, 1000 * (busy ? Math.min(failure.after, 60) : backOff));
}

function schedule(next, wait) {
  clearTimeout(timer);
  // A page that nobody looks at asks nothing; it begins anew when somebody does.
  timer = document.hidden ? null : setTimeout(next, wait);
}

/** Ends the turn and answers the next one. */
function halt() {
  clearTimeout(timer);
  turn += 1;
  return turn;
}

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, () => addItem(event.target));
});
$("logout").addEventListener("click", () => act($("logout"), logOut));
$("visit").addEventListener("click", () => act($("visit"), visit));
document.addEventListener("visibilitychange", () => (document.hidden ? halt() : start()));
addEventListener("online", start);
// Back out of the browser's memory: what is shown may be of an earlier session.
addEventListener("pageshow", (event) => event.persisted && start());
setInterval(showLife, 500);
start();
