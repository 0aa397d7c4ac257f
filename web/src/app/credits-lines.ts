import type { Alert, Credits } from '../api/types.ts'

/** One line above the page. */
export interface CreditsLine {
  id: string
  tone: 'info' | 'warn' | 'bad'
  title: string
  text: string
  link: { page: 'credits' | 'budgets' | 'admin'; label: string } | null
  /** Of an alert, which can be dismissed; what is stopped cannot be looked away from. */
  alertId: string | null
}

/** More would hide the page. */
const linesMax = 3

const pages: Partial<Record<Alert['kind'], CreditsLine['link']>> = {
  balance_low: { page: 'credits', label: 'Get credits' },
  credits_exhausted: { page: 'credits', label: 'Get credits' },
  budget_threshold: { page: 'budgets', label: 'Look at budgets' },
  top_up_failed: { page: 'credits', label: 'Look at auto top-up' },
  ledger_damaged: { page: 'admin', label: 'Verify the ledger' },
  dispute_opened: { page: 'admin', label: 'Look at payments' },
  dispute_closed: { page: 'admin', label: 'Look at payments' },
}
const tones = { info: 'info', warning: 'warn', critical: 'bad' } as const

/** What is stopped comes first and says it once; then the alerts, the worst first. */
export function creditsLines(credits: Credits | undefined, alerts: Alert[]): CreditsLine[] {
  const held = credits?.hold ? [holdLine(credits, credits.hold)] : []
  const said = (alert: Alert) => credits?.hold === 'credits' && isOfBalance(alert)
  const order = ['bad', 'warn', 'info']
  const told = alerts
    .filter((alert) => !said(alert) && !isOver(alert, credits))
    .map(alertLine)
    .sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone))
  return [...held, ...told].slice(0, linesMax)
}

function isOfBalance({ kind }: Alert): boolean {
  return kind === 'credits_exhausted' || kind === 'balance_low'
}

/** Credits came in since it was told: the server takes it back in a moment, and nobody has to read it until then. */
function isOver(alert: Alert, credits: Credits | undefined): boolean {
  const then = alert.details.availableMicros
  if (!credits || !isOfBalance(alert) || typeof then !== 'number') return false
  return credits.availableMicros + credits.reservedMicros > then
}

/** Less is not worth a word. */
const nothingMicros = 10_000

function holdLine({ availableMicros, reservedMicros }: Credits, hold: 'credits' | 'budget'): CreditsLine {
  const isEmpty = availableMicros + reservedMicros < nothingMicros
  return hold === 'credits'
    ? {
        id: 'hold',
        tone: 'bad',
        title: isEmpty ? 'The credits are used up' : 'There are not enough credits',
        text: 'Instances are stopped and model calls refused. Nothing is lost; all of it goes on by itself once there are credits.',
        link: { page: 'credits', label: 'Get credits' },
        alertId: null,
      }
    : {
        id: 'hold',
        tone: 'warn',
        title: 'A budget is spent',
        text: 'Whom it concerns is stopped until its next day or month begins, or until somebody raises it.',
        link: { page: 'credits', label: 'Look at credits' },
        alertId: null,
      }
}

function alertLine(alert: Alert): CreditsLine {
  return {
    id: alert.id,
    tone: tones[alert.severity],
    title: alert.title,
    text: alert.message,
    link: pages[alert.kind] ?? null,
    alertId: alert.id,
  }
}
