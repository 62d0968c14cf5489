// Tables as CSV and JSON, in plain JavaScript: see table.wit.
// What is thrown as a string is the error of the function's result.

export function fromCsv(text) {
  const [columns, ...rows] = lines(text);
  if (columns === undefined) throw "no line that names the columns";
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) throw `two columns are named "${twice}"`;
  for (const [i, row] of rows.entries()) {
    if (row.length !== columns.length) throw `row ${i + 1} has ${row.length} fields, and there are ${columns.length} columns`;
  }
  return { columns, rows };
}

export function summarize(table, by, of) {
  const [key, value] = [column(table, by), column(table, of)];
  const groups = new Map();
  for (const [i, row] of table.rows.entries()) {
    const number = numberIn(row[value] ?? "");
    if (number === undefined) throw `row ${i + 1}: "${row[value] ?? ""}" in column "${of}" is not a number`;
    const group = groups.get(row[key]) ?? { key: row[key], rows: 0, sum: 0, least: number, most: number };
    group.rows += 1;
    group.sum += number;
    group.least = Math.min(group.least, number);
    group.most = Math.max(group.most, number);
    groups.set(group.key, group);
  }
  return [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

export function toJson(table) {
  const object = (row) => Object.fromEntries(table.columns.map((name, i) => [name, numberIn(row[i] ?? "") ?? row[i] ?? null]));
  return JSON.stringify(table.rows.map(object), null, 2) + "\n";
}

function column(table, name) {
  const at = table.columns.indexOf(name);
  if (at < 0) throw `there is no column "${name}", but ${table.columns.map((c) => `"${c}"`).join(", ")}`;
  return at;
}

// numberIn is the number that a field is, if it is one as JSON has them.
function numberIn(field) {
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(field) && Number.isFinite(Number(field)) ? Number(field) : undefined;
}

// lines splits CSV into lines of fields. A quoted field may hold commas, line
// ends and, doubled, quotes.
function lines(text) {
  const all = [];
  const stop = /[,\r\n]/g;
  let line = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  while (at < text.length) {
    let field = "";
    if (text[at] === '"') {
      const start = at++;
      for (; ; at += 2) {
        const end = text.indexOf('"', at);
        if (end < 0) throw `the quote at character ${start + 1} is never closed`;
        field += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        field += '"';
        at -= 1;
      }
    } else {
      stop.lastIndex = at;
      field = text.slice(at, stop.exec(text)?.index ?? text.length);
      at += field.length;
    }
    line.push(field);
    if (text[at] === ",") {
      at += 1;
      if (at === text.length) line.push("");
      continue;
    }
    if (at < text.length && !/[\r\n]/.test(text[at])) throw `after a quoted field stands "${text[at]}", at character ${at + 1}`;
    if (text.startsWith("\r\n", at)) at += 1;
    at += 1;
    if (line.length > 1 || line[0] !== "") all.push(line);
    line = [];
  }
  if (line.length > 0) all.push(line);
  return all;
}
