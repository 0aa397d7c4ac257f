import type { ComputeCapabilities, ComputeDriver, SlotSpec } from './compute.ts'

/** The compute drivers of this Reef. Loading one may load an SDK, so it happens on first use. */
export interface ComputeDrivers {
  /** The one that new slots are made with. */
  readonly current: ComputeDriver
  /** For slots that an earlier configuration made. Throws for a name that this version does not know. */
  get(name: string): Promise<ComputeDriver>
  /** Known without loading it. */
  isolationOf(name: string): ComputeCapabilities['isolation']
}

/** What every new slot is made of. */
export interface SlotPlan extends Pick<SlotSpec, 'specVersion' | 'linkUrl' | 'limits'> {}
