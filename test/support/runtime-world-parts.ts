import type { Book } from '../../src/domain/credits/book.ts'
import {
  type Budget,
  BudgetBook,
  type BudgetCounter,
  type BudgetEntry,
} from '../../src/domain/credits/budget.ts'
import type { RuntimeMeter } from '../../src/domain/credits/runtime-meter.ts'

export const organizationId = '00000000-0000-7000-8000-000000000001'

/** What came of a simulated history; see runtime-simulation.test.ts. */
export interface RuntimeHistory {
  events: number
  usageMs: number
  measuredMs: number
  usageCost: number
  ledgerSpent: number
  sources: number
  uses: number
  overlaps: string[]
  instances: { measured: number; served: number; lossMax: number }[]
  writtenOff: number
  costOfOneSecond: number
  heldAtEnd: number
  /** Null where nobody has set one. */
  budget: { limit: number; spent: number; held: number } | null
}

export interface Machine {
  id: string
  wanted: boolean
  asleep: boolean
  held: boolean
  /** By a spent budget. */
  isOverBudget: boolean
  phase: 'off' | 'booting' | 'serving' | 'ending' | 'suspended'
  /** When what is under way is over: a boot, or the turns of one that ends. */
  phaseUntil: number
  /** The truth, and what its supervisor knows of it. */
  served: number
  counted: number
  kept: number
  sequence: number
  beatAt: number
  leaseUntil: number
  reportedAtEnd: boolean
  /** How much of the truth may be lost: a kill of the supervisor costs what it had not kept. */
  lossMax: number
}

export interface Message {
  machine: Machine
  sequence: number
  ms: number
  arrivesAt: number
}

/** What PostgreSQL holds: changed as a whole or not at all. */
export interface Store {
  meters: Map<string, RuntimeMeter>
  lastSequence: Map<string, number>
  chargedUntil: Map<string, number>
  window: {
    sequence: number
    chargeAt: number | null
    coveredUntil: number | null
    holdInflow: number | null
  }
  book: Book
  /** Until when budgets pay for each. */
  budgetUntil: Map<string, number>
  counters: BudgetCounter[]
  entries: BudgetEntry[]
  rows: { id: string; state: string; start: number; end: number; ms: number; cost: number }[]
  /** Our own notes of each change of state, from which what slept and was stored is worked out once more. */
  notes: { id: string; state: string | null; at: number }[]
  /** Of running. */
  measured: Map<string, number>
}

export function newMachine(index: number): Machine {
  return {
    id: `machine-${index}`,
    wanted: true,
    asleep: false,
    held: false,
    isOverBudget: false,
    phase: 'off',
    phaseUntil: 0,
    served: 0,
    counted: 0,
    kept: 0,
    sequence: 0,
    beatAt: 0,
    leaseUntil: 0,
    reportedAtEnd: true,
    lossMax: 0,
  }
}

export function newStore(): Store {
  return {
    meters: new Map(),
    lastSequence: new Map(),
    chargedUntil: new Map(),
    window: { sequence: 0, chargeAt: null, coveredUntil: null, holdInflow: null },
    book: {
      organizationId,
      balances: {
        granted: 0,
        purchased: 0,
        written_off: 0,
        available: 0,
        reserved: 0,
        spent: 0,
        frozen: 0,
        refunded: 0,
      },
      headSequence: 0,
      changedAt: new Date(0),
      headHash: Buffer.alloc(32),
      known: new Map(),
      reservations: new Map(),
    },
    budgetUntil: new Map(),
    counters: [],
    entries: [],
    rows: [],
    notes: [],
    measured: new Map(),
  }
}

const budgetId = '00000000-0000-7000-8000-000000000003'

/** What a month may cost in all. */
export function newBudget(limit: number): Budget {
  return {
    id: budgetId,
    organization_id: organizationId,
    scope: 'organization',
    subject_id: null,
    period: 'month',
    limit_amount: limit,
    created_by: null,
    created_at: new Date(0),
    updated_at: new Date(0),
  }
}

/** One transaction's view of the budget; `close` writes what it changed. */
export function openBudget(store: Store, budget: Budget, now: number) {
  const { counters, entries } = store
  const book = new BudgetBook({ budgets: [budget], counters, entries, now: new Date(now) })
  return {
    book,
    left: () => book.remainingOf(budget),
    close: () => {
      for (const counter of book.changedCounters) if (!counters.includes(counter)) counters.push(counter)
      for (const entry of book.changedEntries) if (!entries.includes(entry)) entries.push(entry)
      // Of what is over nothing is told again.
      store.entries = entries.filter(({ spent }) => spent === null)
    },
  }
}

export function copyOf(store: Store): Store {
  const { book } = store
  return {
    meters: new Map(store.meters),
    lastSequence: new Map(store.lastSequence),
    chargedUntil: new Map(store.chargedUntil),
    window: { ...store.window },
    book: {
      ...book,
      balances: { ...book.balances },
      known: new Map(),
      reservations: new Map(book.reservations),
    },
    budgetUntil: new Map(store.budgetUntil),
    counters: store.counters.map((counter) => ({ ...counter })),
    entries: store.entries.map((entry) => ({ ...entry })),
    rows: [...store.rows],
    notes: [...store.notes],
    measured: new Map(store.measured),
  }
}

/** How long each slept or was stored by the notes, until its last charge. */
export function notedMs(notes: Store['notes'], chargedUntil: Store['chargedUntil']): number {
  let total = 0
  for (const [index, note] of notes.entries()) {
    if (note.state !== 'suspended' && note.state !== 'stored') continue
    const next = notes.slice(index + 1).find(({ id }) => id === note.id)
    total += (next?.at ?? chargedUntil.get(note.id) ?? note.at) - note.at
  }
  return total
}

export function overlapsOf(rows: Store['rows']): string[] {
  const ends = new Map<string, number>()
  return rows.flatMap((row) => {
    const place = `${row.id} ${row.state}`
    const before = ends.get(place) ?? 0
    ends.set(place, row.end)
    return row.start < before || row.end < row.start ? [`${place} at ${row.start}`] : []
  })
}

/** mulberry32, public domain: a small generator that is the same everywhere. */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
