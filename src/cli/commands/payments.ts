import type { Command } from 'commander'
import type { z } from 'zod'
import { adminPaymentsSchema, paymentSchema, reconciliationSchema } from '../../http/schemas/payments.ts'
import { addRemoteOptions, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { askOnce } from '../once.ts'
import { formatTable, printJson } from '../output.ts'

interface ListOptions extends RemoteOptions {
  of?: string
  search?: string
  disputed?: boolean
  limit: string
  olderThan?: string
}

interface RefundOptions extends RemoteOptions {
  amount?: string
  force?: boolean
  reason?: string
  idempotencyKey?: string
}

export function addPaymentsCommands(program: Command): void {
  const payments = program
    .command('payments')
    .description('Payments by Stripe, for operators.')
    .addHelpText(
      'after',
      `
Examples:
  reef payments list
  reef payments reconcile
  reef payments refund 0199c0de-0000-7000-8000-000000000000 --amount 5.00`,
    )

  addRemoteOptions(payments.command('list'))
    .description('List payments of all organizations, or of one, the newest first.')
    .option('--of <organization>', 'only those of the organization with this id')
    .option('--search <text>', 'part of an organization’s name, of a member’s e-mail address, or of an id')
    .option('--disputed', 'only those that were ever disputed')
    .option('--limit <count>', 'so many, 200 at most', '50')
    .option('--older-than <payment>', 'only those before the payment with this id')
    .action(async (options: ListOptions) => {
      const client = await openClient(options)
      const query = new URLSearchParams({
        disputed: String(options.disputed ?? false),
        limit: options.limit,
      })
      if (options.of !== undefined) query.set('organizationId', options.of)
      if (options.search !== undefined) query.set('search', options.search)
      if (options.olderThan !== undefined) query.set('cursor', options.olderThan)
      const answer = await client.call(`/api/admin/payments?${query}`, { answer: adminPaymentsSchema })
      if (options.json) return printJson(answer.payments)
      if (answer.payments.length === 0) return console.log('No payments like this.')
      console.log(
        formatTable(
          ['payment', 'when', 'organization', 'state', 'amount', 'refunded', 'dispute'],
          answer.payments.map((payment) => [
            payment.id,
            payment.createdAt.slice(0, 16),
            payment.organizationName ?? payment.organizationId,
            payment.state,
            money(payment.amountCents, payment.currency),
            payment.refundedCents === 0 ? '' : money(payment.refundedCents, payment.currency),
            payment.dispute ?? '',
          ]),
        ),
      )
      if (answer.cursor) console.error(`There are older ones: --older-than ${answer.cursor}`)
    })

  addRemoteOptions(payments.command('reconcile'))
    .description('Compare Stripe’s lists with what is known here, and post what is missing.')
    .addHelpText('after', '\nExits with 1 when something is left for a person to look at.')
    .action(async (options: RemoteOptions) => {
      const client = await openClient(options)
      const report = await client.call('/api/admin/payments/reconcile', {
        method: 'POST',
        answer: reconciliationSchema,
      })
      if (options.json) printJson(report)
      else console.log(linesOf(report).join('\n'))
      if (report.differences.length > 0 || report.events.unprocessed > 0) process.exitCode = 1
    })

  addRemoteOptions(payments.command('refund'))
    .description('Give money back for unused credits.')
    .argument('<payment>', 'the payment’s id')
    .option('--amount <money>', 'how much, like 5.00 (default: as much as unused credits stand for)')
    .option('--force', 'also for used credits, which are written off')
    .option('--reason <text>', 'for the statement')
    .option('--idempotency-key <uuid>', 'with the same one the money goes back once')
    .action(async (paymentId: string, options: RefundOptions) => {
      const client = await openClient(options)
      const payment = await askOnce(options.idempotencyKey, (idempotencyKey) =>
        client.call(`/api/admin/payments/${encodeURIComponent(paymentId)}/refund`, {
          method: 'POST',
          body: {
            ...(options.amount === undefined ? {} : { amountCents: centsOf(options.amount) }),
            force: options.force ?? false,
            ...(options.reason === undefined ? {} : { reason: options.reason }),
            idempotencyKey,
          },
          answer: paymentSchema,
        }),
      )
      if (options.json) return printJson(payment)
      console.log(
        `Refunded: ${money(payment.refundedCents, payment.currency)} of ${money(payment.amountCents, payment.currency)} in all.`,
      )
    })
}

function centsOf(text: string): number {
  const [, units = '', hundredths = ''] = /^(\d{1,7})(?:\.(\d{1,2}))?$/.exec(text) ?? []
  if (units === '') throw new CliError('usage', `${text} is not an amount of money. Write it like 5.00`)
  return Number(units) * 100 + Number(hundredths.padEnd(2, '0'))
}

function money(cents: number, currency: string): string {
  return `${(cents / 100).toFixed(2)} ${currency.toUpperCase()}`
}

function linesOf(report: z.infer<typeof reconciliationSchema>): string[] {
  const { events, payments, refunds, disputes, differences } = report
  return [
    `From ${report.from} to ${report.until}:`,
    `  events    ${events.listed} listed, ${events.missed} had never been delivered, ${events.unprocessed} cannot be processed`,
    `  payments  ${payments.listed} listed, ${payments.repaired} repaired`,
    `  refunds   ${refunds.listed} listed, ${refunds.repaired} repaired`,
    `  disputes  ${disputes.listed} listed, ${disputes.repaired} repaired`,
    ...(differences.length === 0
      ? ['Nothing differs.']
      : ['To look at:', ...differences.map((one) => `  ${one}`)]),
  ]
}
