// Randomness that can be repeated: a test prints its seed, and FABRIC_E2E_SEED sets it.
export const SEED = Number(process.env.FABRIC_E2E_SEED ?? Date.now() % 1_000_000);

/** Numbers from 0 to 1 (mulberry32), the same for the same seed. */
export function randomness(seed = SEED) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Picks from lists. */
export function picker(random) {
  return (list) => list[Math.floor(random() * list.length)];
}
