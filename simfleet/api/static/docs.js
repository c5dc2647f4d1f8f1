// Shows /openapi.json. No library and no other host; text is set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

let api = null;

function resolve(node) {
  while (node && node.$ref) {
    node = node.$ref.split("/").slice(1).reduce((at, name) => at[name], api);
  }
  return node || {};
}

// ── schemas as words and as examples ───────────────────────────────────────────────────────────

function words(schema) {
  const name = schema.$ref ? schema.$ref.split("/").pop() : "";
  const found = resolve(schema);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (found.const !== undefined) return JSON.stringify(found.const);
  const choices = found.anyOf || found.oneOf;
  if (choices) return choices.map(words).join(" | ");
  if (found.type === "array") return `array of ${found.items ? words(found.items) : "anything"}`;
  let text = name || found.type || "anything";
  const limits = [];
  if (found.minimum !== undefined) limits.push(`from ${found.minimum}`);
  if (found.exclusiveMinimum !== undefined) limits.push(`above ${found.exclusiveMinimum}`);
  if (found.maximum !== undefined) limits.push(`to ${found.maximum}`);
  if (found.maxLength !== undefined) limits.push(`at most ${found.maxLength} characters`);
  if (limits.length) text += ` (${limits.join(" ")})`;
  return text;
}

function example(schema, depth = 0) {
  const found = resolve(schema);
  if (found.examples && found.examples.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  if (found.const !== undefined) return found.const;
  const choices = found.anyOf || found.oneOf;
  if (choices) return example(choices[0], depth);
  switch (found.type) {
    case "object": {
      const all = Object.entries(found.properties || {});
      const must = all.filter(([name]) => (found.required || []).includes(name));
      const fields = must.length ? must : all;
      return depth > 4 ? {} : Object.fromEntries(fields.map(([name, of]) => [name, example(of, depth + 1)]));
    }
    case "array": return found.items && depth < 5 ? [example(found.items, depth + 1)] : [];
    case "integer": return found.minimum ?? 1;
    case "number": return found.minimum ?? 1.0;
    case "boolean": return true;
    case "null": return null;
    default: return "";
  }
}

function fields(schema) {
  const found = resolve(schema);
  if (found.type === "array" && found.items) return fields(found.items);
  if (!found.properties) return make("p", {}, make("code", {}, words(schema)));
  const required = new Set(found.required || []);
  return make("table", {}, ...Object.entries(found.properties).map(([name, of]) =>
    row(name, required.has(name), of, of.description || resolve(of).description)));
}

function row(name, required, schema, description) {
  return make("tr", {},
    make("td", required ? { class: "required" } : {}, make("code", {}, name)),
    make("td", {}, make("code", {}, words(schema))),
    make("td", {}, description || ""));
}

// ── one operation ──────────────────────────────────────────────────────────────────────────────

function operation(path, method, of) {
  const inputs = new Map();
  const parameters = (of.parameters || []).map(resolve);
  const [media, body] = Object.entries((of.requestBody || {}).content || {})[0] || [];
  const shape = body && (media === "application/json" ? example(body.schema) : "");
  const text = body && make("textarea", { spellcheck: "false", "aria-label": "body" });
  if (text) text.value = typeof shape === "string" ? shape : JSON.stringify(shape, null, 2);

  const target = () => {
    let at = path;
    const query = new URLSearchParams();
    for (const parameter of parameters) {
      const value = inputs.get(parameter.name).value;
      if (parameter.in === "path") at = at.replace(`{${parameter.name}}`, encodeURIComponent(value || parameter.name));
      else if (value !== "") query.set(parameter.name, value);
    }
    return at + (query.size ? `?${query}` : "");
  };
  const quoted = (value) => `'${value.replaceAll("'", `'\\''`)}'`;
  const curl = make("pre");
  const answer = make("pre", { hidden: "" });
  const refresh = () => {
    const parts = [method === "get" ? "curl" : `curl -X ${method.toUpperCase()}`];
    if (of.security) parts.push("-H 'X-API-Key: YOUR_KEY'");
    if (text) parts.push(`-H 'Content-Type: ${media}'`, `-d ${quoted(text.value)}`);
    parts.push(quoted(location.origin + target()));
    curl.textContent = parts.join(" \\\n  ");
  };
  const send = async () => {
    answer.hidden = false;
    answer.textContent = "…";
    const headers = {};
    if ($("key").value) headers["X-API-Key"] = $("key").value;
    if (text) headers["Content-Type"] = media;
    try {
      const came = await fetch(target(), { method: method.toUpperCase(), headers, body: text ? text.value : undefined });
      answer.textContent = `${came.status} ${came.statusText}\n`;
      if ((came.headers.get("Content-Type") || "").startsWith("text/event-stream")) return await follow(came, answer);
      const raw = await came.text();
      try { answer.textContent += JSON.stringify(JSON.parse(raw), null, 2); } catch { answer.textContent += raw; }
    } catch (failure) {
      answer.textContent = String(failure);
    }
  };

  const inner = make("div");
  if (of.description) inner.append(make("p", {}, of.description));
  if (parameters.length) {
    inner.append(make("h3", {}, "Parameters"), make("table", {}, ...parameters.map((parameter) => {
      const input = make("input", { "aria-label": parameter.name, oninput: refresh });
      inputs.set(parameter.name, input);
      const shown = row(parameter.name, parameter.required, parameter.schema, parameter.description);
      shown.append(make("td", {}, input));
      return shown;
    })));
  }
  if (body) {
    inner.append(make("h3", {}, `Body: ${media}`), fields(body.schema), text);
    text.addEventListener("input", refresh);
  }
  inner.append(make("h3", {}, "Try it"), curl, make("button", { onclick: send }, "Send"), answer, make("h3", {}, "Answers"));
  for (const [status, reference] of Object.entries(of.responses)) {
    const response = resolve(reference);
    const content = Object.values(response.content || {})[0];
    const code = make("td", {}, make("code", {}, status));
    const schema = content && content.schema;
    inner.append(make("table", {}, make("tr", {}, code, make("td", {}, response.description),
      make("td", {}, schema ? make("code", {}, words(schema)) : ""))));
    if (schema && Number(status) < 300 && resolve(schema).type !== "string") inner.append(fields(schema));
  }
  const shown = make("details", { "data-find": `${method} ${path} ${of.summary}`.toLowerCase() },
    make("summary", {}, make("span", { class: "method" }, method.toUpperCase()),
      make("span", { class: "path" }, path), make("span", { class: "about" }, of.summary || "")), inner);
  refresh();
  return shown;
}

async function follow(came, answer) {
  const reader = came.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    answer.textContent = (answer.textContent + read.value).slice(-20000);
  }
}

// ── the page ───────────────────────────────────────────────────────────────────────────────────

async function show() {
  api = await (await fetch("/openapi.json")).json();
  $("version").textContent = api.info.version;
  $("about").textContent = api.info.description;
  const sections = new Map(api.tags.map((tag) => [tag.name, []]));
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, of] of Object.entries(methods)) sections.get(of.tags[0]).push(operation(path, method, of));
  }
  for (const [tag, shown] of sections) {
    $("operations").append(make("section", {}, make("h2", {}, tag), ...shown));
  }
}

$("find").addEventListener("input", () => {
  const wanted = $("find").value.trim().toLowerCase();
  for (const shown of document.querySelectorAll("details")) shown.hidden = !shown.dataset.find.includes(wanted);
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
});

show().catch((failure) => $("operations").append(make("p", {}, `openapi.json cannot be shown: ${failure}`)));
