/** Repeats a look, with its expectations, until it passes; after the deadline its last error is the test's. */
export async function eventually<T>(look: () => T | Promise<T>, deadlineMilliseconds = 10_000): Promise<T> {
  const deadline = performance.now() + deadlineMilliseconds
  for (;;) {
    try {
      return await look()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((done) => setTimeout(done, 10))
    }
  }
}
