/** What Stripe's library sends: a form with nested names, such as `line_items[0][price_data][currency]=usd`. */
export type Form = { [name: string]: string | Form }

export function parseForm(text: string): Form {
  const form: Form = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const path = [...name.matchAll(/[^[\]]+/g)].map(([part]) => part)
    let place = form
    for (const part of path.slice(0, -1)) {
      const next = place[part]
      place = place[part] = typeof next === 'object' ? next : {}
    }
    const last = path.at(-1)
    if (last !== undefined) place[last] = value
  }
  return form
}

export function textOf(value: string | Form | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

export function formOf(value: string | Form | undefined): Form {
  return typeof value === 'object' ? value : {}
}

/** Lists arrive as `[0]`, `[1]` ... or as `[]`. */
export function listOf(value: string | Form | undefined): (string | Form)[] {
  return Object.values(formOf(value))
}

export function metadataOf(value: string | Form | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(formOf(value)).flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])),
  )
}
