import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
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
  return async (key) => {
    await limiter.consume(key).catch((refusal: RateLimiterRes) => {
      throw new ReefError('rateLimited', {
        code: 'rate_limited',
        message,
        retryAfterSeconds: Math.ceil(refusal.msBeforeNext / 1000),
      })
    })
  }
}
