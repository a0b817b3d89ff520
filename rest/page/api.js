// Requests to the API that serves the page, and its events.

let token = sessionStorage.getItem("token") || "";
let asking = null;

// ask asks the user for the token, once for all who wait for it.
function ask() {
  asking ??= new Promise((resolve) => {
    const dialog = document.querySelector("#ask");
    dialog.querySelector(".error").textContent = token ? "This is not the token of this node." : "";
    document.querySelector("#token").value = "";
    dialog.addEventListener("close", () => {
      token = document.querySelector("#token").value;
      sessionStorage.setItem("token", token);
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

async function request(method, path, body, more = {}) {
  for (;;) {
    const headers = { ...more.headers };
    if (token) headers.Authorization = "Bearer " + token;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: more.signal });
    if (response.status !== 401) return response;
    await ask();
  }
}

// call returns the answer's JSON, or throws what went wrong.
export async function call(method, path, body) {
  const response = await request(method, path, body);
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail || response.statusText);
  return answer;
}

export const get = (path) => call("GET", path);

// channelPath returns where a channel is. An id that a path would understand
// otherwise is written in base64.
export function channelPath(id, rest = "") {
  const plain = id === "." || id === ".." ? "base64:" + btoa(id).replaceAll("=", "") : id;
  return "/v1/channels/" + encodeURIComponent(plain) + rest;
}

// follow calls take with each event after a cursor, and says whether it is connected.
// It goes on for ever; renew is called when events were forgotten meanwhile, and
// returns where to go on.
export async function follow(after, take, connected, renew) {
  for (;;) {
    try {
      const response = await request("GET", "/v1/events/stream", undefined, { headers: { "Last-Event-ID": String(after) } });
      if (response.status === 410) {
        after = await renew();
        continue;
      }
      if (!response.ok) throw new Error(response.statusText);
      connected(true);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const frames = (rest + value).split("\n\n");
        rest = frames.pop();
        for (const frame of frames) {
          const lines = Object.fromEntries(frame.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
          if (!lines.id) continue; // a sign of life, or the end
          after = lines.id;
          take(JSON.parse(lines.data));
        }
      }
    } catch {
      // The node is away: it is asked again.
    }
    connected(false);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// text reads a payload, and encode writes one.
export function text(payload) {
  if (payload === null) return null;
  const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return `(no text: ${bytes.length} bytes)`;
  }
}

export function encode(string) {
  let out = "";
  for (const byte of new TextEncoder().encode(string)) out += String.fromCharCode(byte);
  return btoa(out);
}
