import { declined, invalidRequest, StripeFault } from './errors.ts'
import { type Form, formOf, listOf, metadataOf, textOf } from './form.ts'
import { cancel, confirm, expire, newIntent, refund } from './money.ts'
import {
  type Customer,
  get,
  type Intent,
  newObject,
  now,
  type Portal,
  type Session,
  type State,
} from './state.ts'

interface Call {
  state: State
  /** Of the path's parameters. */
  id: string
  body: Form
  query: URLSearchParams
}

type Handler = (call: Call) => unknown

/** The part of Stripe's API that Reef uses: method and path, then what it does. */
const routes: [string, RegExp, Handler][] = [
  ['POST', /^\/v1\/customers$/, createCustomer],
  [
    'GET',
    /^\/v1\/customers\/([^/]+)$/,
    ({ state, id }) => shownCustomer(get(state.customers, id, 'customer')),
  ],
  ['GET', /^\/v1\/customers\/([^/]+)\/payment_methods$/, listMethods],
  ['POST', /^\/v1\/checkout\/sessions$/, createSession],
  [
    'GET',
    /^\/v1\/checkout\/sessions\/([^/]+)$/,
    ({ state, id }) => get(state.sessions, id, 'checkout.session'),
  ],
  ['POST', /^\/v1\/checkout\/sessions\/([^/]+)\/expire$/, expireSession],
  ['POST', /^\/v1\/billing_portal\/sessions$/, createPortal],
  ['POST', /^\/v1\/payment_intents$/, createIntent],
  ['GET', /^\/v1\/payment_intents$/, listIntents],
  ['GET', /^\/v1\/payment_intents\/([^/]+)$/, getIntent],
  ['POST', /^\/v1\/payment_intents\/([^/]+)\/cancel$/, cancelIntent],
  ['POST', /^\/v1\/refunds$/, createRefund],
  [
    'GET',
    /^\/v1\/refunds$/,
    ({ state, query }) => page(ofIntent(state.refunds, query), query, '/v1/refunds'),
  ],
  [
    'GET',
    /^\/v1\/disputes$/,
    ({ state, query }) => page(ofIntent(state.disputes, query), query, '/v1/disputes'),
  ],
  ['GET', /^\/v1\/events$/, ({ state, query }) => page([...state.events.values()], query, '/v1/events')],
]

export function answer(
  state: State,
  request: { method: string; path: string; body: Form; query: URLSearchParams },
): unknown {
  for (const [method, pattern, handler] of routes) {
    const match = method === request.method ? pattern.exec(request.path) : null
    if (match) return handler({ state, id: match[1] ?? '', body: request.body, query: request.query })
  }
  throw new StripeFault(404, {
    message: `Unrecognized request URL (${request.method}: ${request.path}).`,
    type: 'invalid_request_error',
  })
}

function required(body: Form, name: string): string {
  const value = textOf(body[name])
  if (value === undefined) throw invalidRequest(`Missing required param: ${name}.`, name, 'parameter_missing')
  return value
}

function createCustomer({ state, body }: Call): Customer {
  const customer: Customer = {
    ...newObject('cus', 'customer'),
    email: textOf(body.email) ?? '',
    name: textOf(body.name) ?? '',
    metadata: metadataOf(body.metadata),
    invoice_settings: { default_payment_method: null },
  }
  state.customers.set(customer.id, customer)
  state.emit('customer.created', customer)
  return customer
}

function shownCustomer(customer: Customer): unknown {
  return customer.deleted ? { id: customer.id, object: 'customer', deleted: true } : customer
}

function customerOf(state: State, body: Form): Customer {
  const customer = get(state.customers, required(body, 'customer'), 'customer', 'customer')
  // Stripe no longer knows who was removed, other than when asked for them.
  return get(state.customers, customer.deleted ? '' : customer.id, 'customer', 'customer')
}

function listMethods({ state, id, query }: Call): unknown {
  get(state.customers, id, 'customer', 'customer')
  const methods = [...state.methods.values()].filter((method) => method.customer === id)
  return page(methods, query, `/v1/customers/${id}/payment_methods`)
}

function createSession({ state, body }: Call): Session {
  const customer = customerOf(state, body)
  const item = formOf(listOf(body.line_items)[0])
  const price = formOf(item.price_data)
  const amount = Number(textOf(price.unit_amount)) * Number(textOf(item.quantity))
  if (!(amount >= 50))
    throw invalidRequest('The Checkout Session’s total must be at least $0.50 usd.', 'line_items')
  const intentData = formOf(body.payment_intent_data)
  const base = newObject('cs_test', 'checkout.session' as const)
  const session: Session = {
    ...base,
    mode: 'payment',
    status: 'open',
    payment_status: 'unpaid',
    customer: customer.id,
    amount_total: amount,
    currency: required(price, 'currency'),
    metadata: metadataOf(body.metadata),
    payment_intent: null,
    url: `${state.url}/pay/${base.id}`,
    success_url: required(body, 'success_url'),
    cancel_url: textOf(body.cancel_url) ?? '',
    expires_at: now() + 86_400,
  }
  state.sessions.set(session.id, session)
  state.extras.set(session.id, {
    description: textOf(intentData.description) ?? '',
    intentMetadata: metadataOf(intentData.metadata),
    saveCard: textOf(intentData.setup_future_usage) === 'off_session',
  })
  return session
}

function expireSession({ state, id }: Call): Session {
  const session = get(state.sessions, id, 'checkout.session')
  if (session.status !== 'open')
    throw invalidRequest('Only Checkout Sessions with a status in ["open"] can be expired.')
  expire(state, session)
  return session
}

function createPortal({ state, body }: Call): Portal {
  const customer = customerOf(state, body)
  const base = newObject('bps', 'billing_portal.session' as const)
  const portal: Portal = {
    ...base,
    customer: customer.id,
    return_url: textOf(body.return_url) ?? '',
    url: `${state.url}/portal/${base.id}`,
  }
  state.portals.set(portal.id, portal)
  return portal
}

function createIntent({ state, body }: Call): Intent {
  const customer = customerOf(state, body)
  const method = get(state.methods, textOf(body.payment_method), 'PaymentMethod', 'payment_method')
  if (method.customer !== customer.id)
    throw new StripeFault(404, {
      code: 'resource_missing',
      message: `No such PaymentMethod: '${method.id}'; It's possible this PaymentMethod exists on one of your connected accounts.`,
      param: 'payment_method',
      type: 'invalid_request_error',
    })
  if (textOf(formOf(body.automatic_payment_methods).allow_redirects) !== 'never' && !body.return_url)
    throw invalidRequest(
      'This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`.',
    )
  const intent = newIntent(state, {
    amount: Number(required(body, 'amount')),
    currency: required(body, 'currency'),
    customer: customer.id,
    description: textOf(body.description) ?? null,
    metadata: metadataOf(body.metadata),
  })
  if (textOf(body.confirm) !== 'true') return intent
  if (!confirm(state, intent, method, textOf(body.off_session) === 'true')) throw declined(intent)
  return intent
}

function getIntent({ state, id, query }: Call): unknown {
  const intent = get(state.intents, id, 'payment_intent', 'intent')
  const expanded = [...query].some(([name, value]) => name.startsWith('expand') && value === 'latest_charge')
  const charge = intent.latest_charge ? state.charges.get(intent.latest_charge) : undefined
  return expanded && charge ? { ...intent, latest_charge: charge } : intent
}

function listIntents({ state, query }: Call): unknown {
  const customer = query.get('customer')
  const intents = [...state.intents.values()].filter((one) => customer === null || one.customer === customer)
  return page(intents, query, '/v1/payment_intents')
}

function cancelIntent({ state, id }: Call): Intent {
  const intent = get(state.intents, id, 'payment_intent', 'intent')
  cancel(state, intent)
  // As Stripe does after any later change.
  intent.last_payment_error = null
  return intent
}

function createRefund({ state, body }: Call): unknown {
  const intent = get(state.intents, textOf(body.payment_intent), 'payment_intent', 'payment_intent')
  const amount = textOf(body.amount)
  return refund(state, intent, {
    amount: amount === undefined ? undefined : Number(amount),
    metadata: metadataOf(body.metadata),
  })
}

function ofIntent<T extends { payment_intent: string }>(
  objects: Map<string, T>,
  query: URLSearchParams,
): T[] {
  const intent = query.get('payment_intent')
  return [...objects.values()].filter((one) => intent === null || one.payment_intent === intent)
}

/** Newest first, as all of Stripe's lists. */
function page<T extends { id: string; created: number }>(
  objects: T[],
  query: URLSearchParams,
  url: string,
): unknown {
  const from = Number(query.get('created[gte]') ?? 0)
  const sorted = objects.filter((one) => one.created >= from).reverse()
  const after = query.get('starting_after')
  const start = after === null ? 0 : sorted.findIndex((one) => one.id === after) + 1
  if (after !== null && start === 0) throw invalidRequest(`No such object: '${after}'`, 'starting_after')
  const limit = Math.min(100, Number(query.get('limit') ?? 10))
  const data = sorted.slice(start, start + limit)
  return { object: 'list', url, has_more: start + limit < sorted.length, data }
}
