// Calls to our own origin. Failures are sorted by what a page can do about them.

/**
 * Why a call gave nothing: `login` (log in again), `busy` (passes by itself; try again `after`
 * seconds), `network` or `other`. `untouched`: the broker kept the call back, so the API has not
 * seen it and it may be repeated, whatever its method.
 */
export class Failure extends Error {
  constructor(kind, message, after = 0, untouched = false) {
    super(message);
    Object.assign(this, { kind, after, untouched });
  }
}

/** Calls our origin; answers what the JSON says, or null where there is none. */
export async function call(method, path, body) {
  // The broker asks for the header where a browser does not tell who sends a request.
  const headers = { Accept: "application/json", "X-CSRF": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  let text;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-cache" });
    text = await answer.text();
  } catch {
    throw new Failure("network", "The server cannot be reached.");
  }
  const json = parse(text);
  if (answer.ok) return json;
  const message = json?.title ?? json?.message ?? `The server answered ${answer.status}.`;
  if (answer.status === 401) throw new Failure("login", message);
  const after = Number(answer.headers.get("Retry-After"));
  if (after > 0 && [429, 503].includes(answer.status)) {
    throw new Failure("busy", message, after, answer.headers.has("X-Whisk-BFF-Error"));
  }
  if ([502, 503, 504].includes(answer.status)) throw new Failure("busy", message, 2);
  throw new Failure("other", message);
}

/**
 * Makes this browser an anonymous user, once: the lock lets one tab ask at a time, and whoever
 * comes second finds the session of the first.
 */
export function becomeVisitor() {
  return navigator.locks.request("anonymous-user", async () => {
    // Gives the browser the cookie by which the broker tells one visitor from another.
    const found = await call("GET", "/auth/session");
    return found.authenticated ? found : call("POST", "/auth/anonymous");
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
