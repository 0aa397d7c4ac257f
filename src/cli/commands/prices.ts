import type { Command } from 'commander'
import type { z } from 'zod'
import { formatCredits, microsOf } from '../../domain/credits/credit.ts'
import {
  currentPricesSchema,
  type modelPriceSchema,
  type priceListSchema,
  priceVersionsSchema,
} from '../../http/schemas/prices.ts'
import { addRemoteOptions, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { formatTable, printJson } from '../output.ts'

type PriceList = z.infer<typeof priceListSchema>
type ModelPrice = z.infer<typeof modelPriceSchema>

interface SetOptions extends RemoteOptions {
  input?: string
  cachedInput?: string
  cacheWriteInput?: string
  output?: string
  reasoning?: string
}

export function addPriceCommands(program: Command): void {
  const prices = addRemoteOptions(program.command('prices'))
    // Else it would take its subcommand's options for its own.
    .enablePositionalOptions()
    .description('What models and machines cost, in credits.')
    .addHelpText(
      'after',
      '\nExamples:\n  reef prices\n  reef prices set openai/qwen3:32b --input 0 --output 0',
    )
    .action(showPrices)

  addRemoteOptions(prices.command('set'))
    .description('Publish a price for one model, in credits per million tokens; for operators.')
    .argument('<model>', 'PROVIDER/MODEL')
    .option('--input <credits>', 'what it reads')
    .option('--cached-input <credits>', 'of that, what comes from the provider’s cache; else as input')
    .option('--cache-write-input <credits>', 'of that, what is written to the cache; else as input')
    .option('--output <credits>', 'what it writes')
    .option('--reasoning <credits>', 'of that, its reasoning; else as output')
    .addHelpText(
      'after',
      '\nA model that has a price keeps what you do not name.\n\nExample:\n  reef prices set openai/gpt-6-sol --input 260 --cached-input 26 --output 1300',
    )
    .action(setPrice)
}

async function showPrices(options: RemoteOptions): Promise<void> {
  const client = await openClient(options)
  const current = await client.call('/api/credits/prices', { answer: currentPricesSchema })
  if (options.json) return printJson(current)
  console.log(formatPrices(current.prices))
}

function formatPrices({ models, plans }: PriceList): string {
  const modelRows = Object.entries(models).map(([id, price]) => [
    id,
    ...[price.input, price.cachedInput, price.cacheWriteInput, price.output].map(formatCredits),
  ])
  const planRows = Object.entries(plans).map(([plan, price]) => [
    plan,
    ...[price.running, price.suspended, price.stored].map(formatCredits),
  ])
  return [
    'Credits per million tokens',
    formatTable(['model', 'input', 'cached', 'cache write', 'output'], modelRows),
    '',
    'Credits per hour',
    formatTable(['plan', 'running', 'suspended', 'stored'], planRows),
  ].join('\n')
}

async function setPrice(model: string, options: SetOptions): Promise<void> {
  const client = await openClient(options)
  // First of all: whoever is no operator is told so, and not that an option is missing.
  await client.call('/api/admin/prices', { answer: priceVersionsSchema })
  const { prices } = await client.call('/api/credits/prices', { answer: currentPricesSchema })
  const price = priceOf(options, prices.models[model])
  const published = await client.call('/api/admin/prices', {
    method: 'POST',
    body: { prices: { ...prices, models: { ...prices.models, [model]: price } } },
    answer: priceVersionsSchema,
  })
  if (options.json) return printJson(published)
  console.log(`${model} has a price: version ${published.currentVersion} applies from now on.`)
}

function priceOf(options: SetOptions, before: ModelPrice | undefined): ModelPrice {
  const input = read('input', options.input) ?? before?.input
  const output = read('output', options.output) ?? before?.output
  if (input === undefined || output === undefined)
    throw new CliError('usage', 'A model without a price needs --input and --output.')
  return {
    input,
    cachedInput: read('cached-input', options.cachedInput) ?? before?.cachedInput ?? input,
    cacheWriteInput: read('cache-write-input', options.cacheWriteInput) ?? before?.cacheWriteInput ?? input,
    output,
    reasoning: read('reasoning', options.reasoning) ?? before?.reasoning ?? output,
  }
}

function read(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const micros = microsOf(text)
  if (micros === undefined || micros < 0)
    throw new CliError('usage', `--${option}: ${text} is no number of credits with at most six decimals.`)
  return micros
}
