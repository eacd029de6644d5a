/**
 * Answers requests as they come, several at a time, in their order. The next request is read when `start` calls `taken`
 * or its answer is there, and while fewer than `window` answers wait to be taken: a slow reader of the answers slows the
 * sender of the requests.
 */
export async function* answersInOrder<Request, Response>(
  requests: AsyncIterable<Request>,
  window: number,
  start: (request: Request, taken: () => void) => Promise<Response>,
): AsyncGenerator<Response> {
  const answers: Promise<Response>[] = [];
  let wakeReader = () => {};
  let wakeWriter = () => {};
  let left = false;

  const read = async () => {
    for await (const request of requests) {
      await new Promise<void>((taken) => {
        const answer = start(request, taken);
        answer.then(
          () => taken(),
          () => taken(),
        );
        answers.push(answer);
        wakeWriter();
      });
      while (answers.length >= window && !left) {
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
      if (left) return;
    }
  };
  let ended = false;
  const reading = read().finally(() => {
    ended = true;
    wakeWriter();
  });
  // It is awaited below; until then a failure must not count as unhandled.
  reading.catch(() => undefined);

  try {
    for (;;) {
      const [answer] = answers;
      if (answer) {
        yield await answer;
        answers.shift();
        wakeReader();
      } else if (ended) {
        await reading;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve;
        });
      }
    }
  } finally {
    left = true;
    wakeReader();
    for (const answer of answers) answer.catch(() => undefined);
  }
}
