/**
 * Turns work that reports by callback into a stream: every event in order, then the output. Ending the stream early
 * does not end the work; its signal does.
 */
export async function* progressEvents<Event, Output>(
  work: (emit: (event: Event) => void) => Promise<Output>,
): AsyncGenerator<{ event: Event } | { output: Output }> {
  const queue: Event[] = [];
  let wake = () => {};
  let ended = false;
  const outcome = work((event) => {
    queue.push(event);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  // It is awaited below; until then a failure must not count as unhandled.
  outcome.catch(() => undefined);
  while (!ended || queue.length > 0) {
    const event = queue.shift();
    if (event !== undefined) yield { event };
    else if (!ended) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  yield { output: await outcome };
}
