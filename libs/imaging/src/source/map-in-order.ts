/** Results in the order of the items, with up to `inFlight` calls under way ahead of the consumer. */
export async function* mapInOrder<Item, Result>(
  items: Iterable<Item>,
  inFlight: number,
  map: (item: Item) => Promise<Result>,
): AsyncIterable<Result> {
  const pending: Promise<Result>[] = [];
  for (const item of items) {
    const result = map(item);
    // It may fail before its turn; whoever awaits it then still sees the failure.
    result.catch(() => undefined);
    pending.push(result);
    if (pending.length >= inFlight) yield await pending.shift()!;
  }
  while (pending.length > 0) yield await pending.shift()!;
}
