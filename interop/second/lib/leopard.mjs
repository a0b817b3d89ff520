// The parity of segments (host.md 16.1): the Leopard code, as polynomials rather than as fast
// transforms. Its points are the elements of the field in order, written in a Cantor basis: parity
// j is at point j, data piece l at point m + l, m = p2(parity). A chunk of m pieces is a polynomial
// of degree below m; parity is the sum of all these polynomials at its point.

const shapes = {
  8: { polynomial: 0x11d, basis: [1, 214, 152, 146, 86, 200, 88, 230] },
  16: {
    polynomial: 0x1002d,
    basis: [
      0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012,
      0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8, 0xfb34, 0xff38, 0x991e,
    ],
  },
};

const made = new Map();

function field(width) {
  if (!made.has(width)) made.set(width, makeField(width));
  return made.get(width);
}

// makeField: multiplication and division of elements in the Cantor basis.
function makeField(width) {
  const { polynomial, basis } = shapes[width];
  const size = 1 << width;
  const logOf = new Uint32Array(size);
  const expOf = new Uint32Array(size);
  for (let i = 0, x = 1; i < size - 1; i++) {
    expOf[i] = x;
    logOf[x] = i;
    x <<= 1;
    if (x & size) x ^= polynomial;
  }
  const plain = new Uint32Array(size);
  const cantor = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    for (let b = 0; b < width; b++) if (i & (1 << b)) plain[i] ^= basis[b];
    cantor[plain[i]] = i;
  }
  const log = (a) => logOf[plain[a]];
  const exp = (l) => cantor[expOf[l % (size - 1)]];
  return {
    mul: (a, b) => (a && b ? exp(log(a) + log(b)) : 0),
    div: (a, b) => (a ? exp(log(a) + size - 1 - log(b)) : 0),
  };
}

export function p2(n) {
  let p = 1;
  while (p < n) p *= 2;
  return p;
}

const widthOf = (data, parity) => (parity === 1 || p2(p2(parity) + data) <= 256 ? 8 : 16);

// weights[j][l] is what parity j takes of data piece l.
function weights(f, data, parity) {
  const m = p2(parity);
  return Array.from({ length: parity }, (_, j) => Array.from({ length: data }, (_, l) => {
    const point = m + l;
    const chunk = point - (point % m);
    let w = 1;
    for (let other = chunk; other < chunk + m; other++) {
      if (other !== point) w = f.mul(w, f.div(j ^ other, point ^ other));
    }
    return w;
  }));
}

// addMultiple adds w times a piece. In 16 bits a block of 64 bytes has 32 low, then 32 high bytes.
function addMultiple(f, width, to, w, from) {
  if (width === 8) {
    for (let i = 0; i < to.length; i++) to[i] ^= f.mul(w, from[i]);
    return;
  }
  for (let block = 0; block < to.length; block += 64) {
    for (let i = block; i < block + 32; i++) {
      const v = f.mul(w, from[i] | (from[i + 32] << 8));
      to[i] ^= v & 0xff;
      to[i + 32] ^= v >> 8;
    }
  }
}

export function parityOf(pieces, parity) {
  const width = widthOf(pieces.length, parity);
  const f = field(width);
  const w = weights(f, pieces.length, parity);
  return w.map((row) => {
    const out = Buffer.alloc(pieces[0].length);
    row.forEach((weight, l) => addMultiple(f, width, out, weight, pieces[l]));
    return out;
  });
}

// recover fills in the pieces that are undefined, by elimination. It returns whether it could.
export function recover(pieces, parities) {
  const missing = [...pieces.keys()].filter((l) => !pieces[l]);
  if (missing.length === 0) return true;
  const width = widthOf(pieces.length, parities.length);
  const f = field(width);
  const w = weights(f, pieces.length, parities.length);
  const rows = [];
  parities.forEach((p, j) => {
    if (!p) return;
    const rest = Buffer.from(p);
    pieces.forEach((piece, l) => { if (piece) addMultiple(f, width, rest, w[j][l], piece); });
    rows.push({ left: missing.map((l) => w[j][l]), rest });
  });
  for (let c = 0; c < missing.length; c++) {
    const at = rows.findIndex((r, i) => i >= c && r.left[c] !== 0);
    if (at < 0) return false;
    [rows[c], rows[at]] = [rows[at], rows[c]];
    const inverse = f.div(1, rows[c].left[c]);
    const rest = Buffer.alloc(rows[c].rest.length);
    addMultiple(f, width, rest, inverse, rows[c].rest);
    rows[c] = { left: rows[c].left.map((v) => f.mul(v, inverse)), rest };
    rows.forEach((r, i) => {
      const factor = r.left[c];
      if (i === c || factor === 0) return;
      r.left = r.left.map((v, k) => v ^ f.mul(factor, rows[c].left[k]));
      addMultiple(f, width, r.rest, factor, rows[c].rest);
    });
  }
  missing.forEach((l, i) => { pieces[l] = rows[i].rest; });
  return true;
}
