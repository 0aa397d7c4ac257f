import { decimalCredits, microsOf } from '../../../../src/domain/credits/credit.ts'
import type { PriceList } from '../../api/types.ts'

export const modelParts = ['input', 'cachedInput', 'cacheWriteInput', 'output', 'reasoning'] as const
export const planParts = ['running', 'suspended', 'stored'] as const

/** A price list as it is being typed, in credits. */
export interface PriceDraft {
  models: Record<string, Record<(typeof modelParts)[number], string>>
  plans: Record<string, Record<(typeof planParts)[number], string>>
  storagePerGibibyteMonth: string
  /** Empty: free. */
  egressPerGibibyte: string
}

/** What has no price yet gets a line of its own, to be filled in. */
export function draftOf(prices: PriceList, unpricedModels: readonly string[]): PriceDraft {
  const empty = { input: '', cachedInput: '', cacheWriteInput: '', output: '', reasoning: '' }
  return {
    models: {
      ...mapValues(prices.models, (price) => mapValues(price, textOf)),
      ...Object.fromEntries(unpricedModels.map((model) => [model, empty])),
    },
    plans: mapValues(prices.plans, (price) => mapValues(price, textOf)),
    storagePerGibibyteMonth: textOf(prices.storagePerGibibyteMonth),
    egressPerGibibyte: prices.egressPerGibibyte === null ? '' : textOf(prices.egressPerGibibyte),
  }
}

/** The list that was typed, or which of its fields is no price. Lines of models that are all empty are left out. */
export function listOf(draft: PriceDraft): { prices: PriceList } | { wrong: string } {
  const wrong: string[] = []
  const read = (text: string, name: string): number => {
    const micros = microsOf(text.trim().replaceAll(',', ''))
    if (micros !== undefined && micros >= 0) return micros
    wrong.push(name)
    return 0
  }
  const filled = Object.entries(draft.models).filter(([, price]) =>
    Object.values(price).some((text) => text.trim() !== ''),
  )
  const prices: PriceList = {
    models: Object.fromEntries(
      filled.map(([model, price]) => [
        model,
        mapValues(price, (text, part) => read(text, `${model}: ${part}`)),
      ]),
    ),
    plans: mapValues(draft.plans, (price, plan) =>
      mapValues(price, (text, part) => read(text, `${plan}: ${part}`)),
    ),
    storagePerGibibyteMonth: read(draft.storagePerGibibyteMonth, 'storage'),
    egressPerGibibyte: draft.egressPerGibibyte.trim() === '' ? null : read(draft.egressPerGibibyte, 'egress'),
  }
  return wrong[0] === undefined ? { prices } : { wrong: wrong[0] }
}

/** Without the zeros at its end: 2.500000 is 2.5. */
function textOf(micros: number): string {
  return decimalCredits(micros).replace(/\.?0+$/, '')
}

function mapValues<K extends string, A, B>(
  values: Record<K, A>,
  change: (value: A, key: string) => B,
): Record<K, B> {
  // `fromEntries` forgets the keys that it was given.
  return Object.fromEntries(
    Object.entries<A>(values).map(([key, value]) => [key, change(value, key)]),
  ) as Record<K, B>
}
