export interface Mail {
  to: string
  subject: string
  /** One paragraph each, in plain words. */
  paragraphs: string[]
  /** Where a person goes from here. */
  link?: { label: string; url: string }
}

/** Sends mails as plain text and as simple HTML with nothing in it that tells who read it. */
export interface Mailer {
  /** Resolves once the mail server has taken the mail; rejects when it did not, in words that tell nothing of the mail. */
  send(mail: Mail): Promise<void>
  close(): void
}

export function textOf({ paragraphs, link }: Mail): string {
  return `${[...paragraphs, ...(link ? [`${link.label}:\n${link.url}`] : [])].join('\n\n')}\n`
}

export function htmlOf({ paragraphs, link }: Mail): string {
  const parts = paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`)
  if (link) parts.push(`<p><a href="${escapeHtml(link.url)}">${escapeHtml(link.label)}</a></p>`)
  return `<!doctype html><html><body>${parts.join('')}</body></html>`
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? character)
}
