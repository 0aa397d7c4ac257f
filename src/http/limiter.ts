import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { ReefError } from '../errors.ts'

export interface LimiterOptions {
  timesMax: number
  seconds: number
  /** What the caller can do instead, or when to come back. */
  message: string
}

/**
 * Throws `rateLimited` for whoever does something expensive too often. Each control plane counts for itself: it only has to
 * keep one caller from taking what is there for all.
 */
export function createLimiter({
  timesMax,
  seconds,
  message,
}: LimiterOptions): (key: string) => Promise<void> {
  const limiter = new RateLimiterMemory({ points: timesMax, duration: seconds })
  return (key) => consume(limiter, key, () => message)
}

/** Counts one more; throws `rateLimited` when that is one too many, with words that may say when to come back. */
export async function consume(
  limiter: RateLimiterAbstract,
  key: string,
  messageOf: (retryAfterSeconds: number) => string,
): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (refusal) {
    // The library rejects with its result when the limit is reached and with an Error when counting failed.
    if (!(refusal instanceof RateLimiterRes)) throw refusal
    const retryAfterSeconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
    throw new ReefError('rateLimited', {
      code: 'rate_limited',
      message: messageOf(retryAfterSeconds),
      retryAfterSeconds,
    })
  }
}
