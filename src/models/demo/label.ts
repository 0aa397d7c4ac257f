export interface DemoContext {
  now: Date
  /** A model that can be chosen instead, or null where no provider has a key. */
  alternative: string | null
}

/** Says what is answering and how to get more. OpenClaw blacks out what follows NAME=, so there is no equals sign. */
export function demoLabel({ alternative }: DemoContext): string {
  return alternative
    ? `This is Reef's built-in demo model. Choose ${alternative} for a real one.`
    : "This is Reef's built-in demo model. Set OPENAI_API_KEY and restart Reef for a real one."
}
