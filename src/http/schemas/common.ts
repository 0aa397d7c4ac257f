import { z } from 'zod'

export const idSchema = z
  .uuid('is not an id; ids look like 0199c0de-0000-7000-8000-000000000000')
  .toLowerCase()
export const timeSchema = z.iso.datetime().describe('ISO 8601 in UTC.')
/** What people call things. PostgreSQL stores no NUL, and no other control character belongs in a name. */
export const nameSchema = z
  .string()
  .trim()
  .min(1, 'needs at least one character')
  .max(100, 'may have at most 100 characters')
  .regex(/^\P{Cc}*$/u, 'may not contain control characters')
/** Words of people, which may have lines. PostgreSQL stores no NUL. */
export const textSchema = z
  .string()
  .refine((text) => !text.includes('\0'), 'may not contain the character NUL')
/** For answers with nothing to say. */
export const emptySchema = z.object({})

/** Header by which a person says in which organization they act; absent means their personal one. */
export const organizationHeader = 'reef-organization'
