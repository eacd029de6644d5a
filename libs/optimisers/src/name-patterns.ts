/**
 * Whether patterns name this parameter: the last one that fits decides, and none means no. A star stands for anything, a
 * leading `!` takes out.
 */
export function isNamed(name: string, patterns: readonly string[]): boolean {
  const last = patterns.findLast((pattern) => fits(name, pattern));
  return last !== undefined && !last.startsWith('!');
}

/** The patterns that fit none of the names: misspelt, or of another model. */
export function unusedPatterns(names: readonly string[], patterns: readonly string[]): string[] {
  return patterns.filter((pattern) => !names.some((name) => fits(name, pattern)));
}

function fits(name: string, pattern: string): boolean {
  const parts = pattern
    .replace(/^!/, '')
    .split('*')
    .map((part) => part.replace(/[.]/g, '\\.'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
