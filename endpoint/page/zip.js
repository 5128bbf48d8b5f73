// Files into one ZIP archive, as they are: texts are small. The format is PKWARE's APPNOTE, versions 2.0 and later.

const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});
const UTF8 = 0x0800; // the flag that names are UTF-8

/** A Blob of files, given as [name, text]. */
export function zip(files, date = new Date()) {
  const encoder = new TextEncoder();
  const parts = [];
  const entries = [];
  let offset = 0;
  for (const [name, text] of files) {
    const [path, data] = [encoder.encode(name), encoder.encode(text)];
    const facts = { path, size: data.length, sum: checksum(data), offset, stamp: stampOf(date) };
    const head = header(0x04034b50, facts, []);
    parts.push(head, path, data);
    entries.push(facts);
    offset += head.length + path.length + data.length;
  }
  const start = offset;
  for (const facts of entries) {
    const head = header(0x02014b50, facts, [facts.offset]);
    parts.push(head, facts.path);
    offset += head.length + facts.path.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, entries.length, true);
  end.setUint16(10, entries.length, true);
  end.setUint32(12, offset - start, true);
  end.setUint32(16, start, true);
  return new Blob([...parts, end], { type: "application/zip" });
}

/** The head of a file, or with its place the entry of the directory. */
function header(signature, { path, size, sum, stamp }, place) {
  const central = place.length > 0;
  const view = new DataView(new ArrayBuffer(central ? 46 : 30));
  let at = 0;
  const put = (value, bytes) => {
    if (bytes === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += bytes;
  };
  put(signature, 4);
  if (central) put(20, 2);
  [20, UTF8, 0].forEach((value) => put(value, 2));
  [stamp, sum, size, size].forEach((value) => put(value, 4));
  [path.length, 0].forEach((value) => put(value, 2));
  if (central) {
    [0, 0, 0].forEach((value) => put(value, 2));
    [0, place[0]].forEach((value) => put(value, 4));
  }
  return new Uint8Array(view.buffer);
}

function checksum(data) {
  let value = 0xffffffff;
  for (const byte of data) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function stampOf(date) {
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  return ((day << 16) | time) >>> 0;
}

/** Names of files: without what file systems refuse, and no name twice. */
export function fileNames(names) {
  const used = new Map();
  return names.map((name) => {
    const plain = plainName(name);
    const count = (used.get(plain) || 0) + 1;
    used.set(plain, count);
    return count > 1 ? `${plain} (${count})` : plain;
  });
}

/** The name of a recording as that of a file, without its ending. */
export function plainName(name) {
  const base = name.replace(/\.[A-Za-z0-9]{1,5}$/, "");
  return (
    base
      .replace(/[\u0000-\u001f<>:"/\\|?*]+/g, "_")
      .trim()
      .slice(0, 120) || "transcript"
  );
}
