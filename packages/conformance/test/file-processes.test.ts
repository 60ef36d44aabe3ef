import { conformance } from '@sluice/conformance'
import { fileOptions } from './file-options.ts'

conformance({ ...fileOptions, parts: ['processes', 'faults'] })
