import { Html, html } from './html.js';
import { STYLE } from './style.js';

/** The page may run its own inline style and script and show its own pictures, and reach nothing else. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

export type Section = [id: string, name: string, section: Html | undefined];

/** A self-contained page of the sections that there are. It loads nothing; a content security policy inside it says so. */
export function page(parts: {
  title: string;
  header: Html;
  sections: readonly Section[];
  footer: string;
  script?: string;
}): string {
  const shown = parts.sections.filter(([, , section]) => section !== undefined);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY)}">
<title>${parts.title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
${parts.header}
<nav aria-label="Sections">${shown.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</nav>
${shown.map(([, , section]) => section)}
<footer>${parts.footer}</footer>
</main>
${parts.script !== undefined && html`<script>${new Html(parts.script)}</script>`}
</body>
</html>
`.markup;
}
