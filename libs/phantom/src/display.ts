/** What a console would show: intensities between two levels as 0 to 255, clipped outside, then gamma. */
export function toBytes(data: Float32Array, low: number, high: number, gamma = 1): Uint8Array {
  const scale = 1 / Math.max(high - low, 1e-6);
  return Uint8Array.from(data, (value) => {
    const share = Math.min(1, Math.max(0, (value - low) * scale));
    return Math.round(255 * (gamma === 1 ? share : share ** gamma));
  });
}

/** The values below which the given shares of the data lie, 0 <= share <= 1 (nearest rank). */
export function quantiles(data: Float32Array, shares: readonly number[]): number[] {
  const sorted = Float32Array.from(data).sort();
  return shares.map((share) => sorted[Math.round(share * (sorted.length - 1))]!);
}
