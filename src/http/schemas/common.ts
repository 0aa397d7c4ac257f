import { z } from 'zod'

export const idSchema = z
  .uuid('is not an id; ids look like 0199c0de-0000-7000-8000-000000000000')
  .toLowerCase()
export const timeSchema = z.iso.datetime().describe('ISO 8601 in UTC.')
/** For answers with nothing to say. */
export const emptySchema = z.object({})

/** Header by which a person says in which organization they act; absent means their personal one. */
export const organizationHeader = 'reef-organization'
