/** A small page for people who meet the proxy itself instead of their OpenClaw. Needs nothing from anywhere else. */
export function renderPage(page: {
  title: string
  message: string
  link: { url: string; label: string }
  /** Looks again by itself after so long. */
  refreshSeconds?: number | undefined
}): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${page.refreshSeconds === undefined ? '' : `<meta http-equiv="refresh" content="${page.refreshSeconds}">`}
<title>${escapeHtml(page.title)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; margin: 0 1rem }
main { max-width: 30rem }
h1 { font-size: 1.4rem; margin: 0 0 .5rem }
a { display: inline-block; margin-top: .5rem; padding: .5rem 1rem; border: 1px solid; border-radius: .5rem; color: inherit; text-decoration: none }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(page.title)}</h1>
<p>${escapeHtml(page.message)}</p>
<a href="${escapeHtml(page.link.url)}">${escapeHtml(page.link.label)}</a>
</main>
</body>
</html>
`
}

/** No script, nothing from elsewhere, in no frame. */
export const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
