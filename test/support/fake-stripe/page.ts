import { cards } from './money.ts'
import type { PaymentMethod, Portal, Session } from './state.ts'

/** The page where a person pays, as far as a browser test needs one. */
export function payPage(session: Session, problem: string | null): string {
  const money = `${(session.amount_total / 100).toFixed(2)} ${session.currency.toUpperCase()}`
  return html(
    'Pretended checkout',
    `<h1>Pay ${money}</h1>
    <p>This stands in for Stripe’s page. No money moves.</p>
    ${problem === null ? '' : `<p role="alert">${problem}</p>`}
    <form method="post">
      ${cardField()}
      <button type="submit">Pay</button>
    </form>
    <p><a href="${escaped(session.cancel_url)}">Cancel</a></p>`,
  )
}

/** The customer's page for cards: they can add one, and go back. */
export function portalPage(portal: Portal, methods: PaymentMethod[]): string {
  const saved = methods.map(({ card }) => `<li>${card.brand} ${card.last4}</li>`)
  return html(
    'Pretended portal',
    `<h1>Your cards</h1>
    <p>This stands in for Stripe’s page.</p>
    <ul>${saved.join('')}</ul>
    <form method="post">
      ${cardField()}
      <button type="submit">Add card</button>
    </form>
    <p><a href="${escaped(portal.return_url)}">Return</a></p>`,
  )
}

function cardField(): string {
  const options = Object.entries(cards).map(([name, number]) => `<option value="${number}">${name}</option>`)
  return `<label>Card <select name="card">${options.join('')}</select></label>`
}

export function plainPage(title: string): string {
  return html(title, `<h1>${title}</h1><p>This stands in for a page of Stripe’s.</p>`)
}

function html(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><body>${body}</body></html>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
}
