import { sumOf } from '../../sum.ts'
import { type BudgetState, holdsInstance } from './budgets.ts'
import {
  aheadSeconds,
  type Burn,
  budgetSeconds,
  coverSecondsMin,
  endingSeconds,
  type RuntimeTimes,
} from './runtime-charge.ts'

/** What of a budget matters to whom it concerns. */
export type BudgetLeft = Pick<BudgetState, 'scope' | 'subjectId' | 'left'>

/** An instance with what its time costs. */
export interface BudgetedInstance {
  id: string
  ownerUserId: string
  burn: Burn
  /** It runs, sleeps or boots, and nothing ends it. */
  goesOn: boolean
}

/** What an instance gets of the budgets that concern it. */
export interface BudgetShare {
  /** To be held in each of them. */
  amount: number
  /** For so long that pays for it, and for its end after that; infinite where nothing limits it. */
  coverSeconds: number
  /** It is all that there is. */
  isShort: boolean
  /** It may not run any more. */
  isSpent: boolean
  /** What all of them have left beside what is held now. */
  left: number
}

const unlimited: BudgetShare = {
  amount: 0,
  coverSeconds: Number.POSITIVE_INFINITY,
  isShort: false,
  isSpent: false,
  left: Number.POSITIVE_INFINITY,
}

/**
 * Divides what budgets have left among the instances that run: those of one budget get the same time, so that they end
 * together. As with credits, plenty is held for the next window and the lease, little for all that there is, and always
 * what ending takes. `budgets` are as they are with nothing held for runtime. Pure.
 */
export function shareBudgets(
  budgets: readonly BudgetLeft[],
  instances: readonly BudgetedInstance[],
  times: RuntimeTimes,
): Map<string, BudgetShare> {
  const covers = budgets.map((budget) => ({ budget, ...coverOf(budget, instances, times) }))
  const shares = new Map<string, BudgetShare>()
  for (const instance of instances) {
    const own = covers.filter(({ budget }) => holdsInstance(budget, instance))
    shares.set(instance.id, own.length === 0 ? unlimited : shareOf(instance, own))
  }
  for (const { budget } of covers) {
    const concerned = instances.filter((instance) => holdsInstance(budget, instance))
    const held = sumOf(concerned, ({ id }) => shares.get(id)?.amount ?? 0)
    for (const { id } of concerned) {
      const share = shares.get(id) as BudgetShare // made above for each
      shares.set(id, { ...share, left: Math.min(share.left, budget.left - held) })
    }
  }
  return shares
}

/** When to look again at what is left for those that go on; null where no budget limits them. */
export function nextBudgetLook(
  shares: ReadonlyMap<string, BudgetShare>,
  instances: readonly BudgetedInstance[],
  now: number,
): number | null {
  const seconds = instances
    .filter(({ goesOn }) => goesOn)
    .flatMap(({ id }) => {
      const share = shares.get(id)
      if (!share) return []
      if (share.isSpent) return [endingSeconds]
      if (share.coverSeconds === Number.POSITIVE_INFINITY) return []
      // What is left is all that there is: it is cut exactly when that is used up.
      return [share.isShort ? share.coverSeconds : Math.min(budgetSeconds, share.coverSeconds / 2)]
    })
  return seconds.length === 0 ? null : Math.floor(now + Math.min(...seconds) * 1000)
}

interface Cover {
  budget: BudgetLeft
  seconds: number
  isShort: boolean
}

function coverOf(
  budget: BudgetLeft,
  instances: readonly BudgetedInstance[],
  times: RuntimeTimes,
): Omit<Cover, 'budget'> {
  const concerned = instances.filter((instance) => holdsInstance(budget, instance))
  const perHour = sumOf(concerned, ({ goesOn, burn }) => (goesOn ? burn.perHour : 0))
  if (budget.left < 1) return { seconds: 0, isShort: true }
  if (perHour === 0) return { seconds: Number.POSITIVE_INFINITY, isShort: false }
  const ends = sumOf(concerned, ({ burn }) => burn.drain + burn.pending)
  const possible = Math.max(0, ((budget.left - ends) / perHour) * 3600)
  const wanted = aheadSeconds(budget.left, perHour, times)
  return { seconds: Math.min(wanted, possible), isShort: possible < wanted }
}

function shareOf({ burn, goesOn }: BudgetedInstance, covers: readonly Cover[]): BudgetShare {
  const [tightest] = [...covers].sort((one, other) => one.seconds - other.seconds) as [Cover]
  const { seconds, isShort } = tightest
  const isSpent = goesOn ? seconds < coverSecondsMin : seconds === 0
  const runs = goesOn && !isSpent && burn.perHour > 0
  return {
    amount: (runs ? Math.floor((burn.perHour * seconds) / 3600) : 0) + burn.drain + burn.pending,
    coverSeconds: runs || isSpent ? seconds : Number.POSITIVE_INFINITY,
    isShort,
    isSpent,
    left: Number.POSITIVE_INFINITY,
  }
}
