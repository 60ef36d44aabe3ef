export { busChannel } from './bus-programs.ts'
export { Crew, type MemberModule, type ProcessMember } from './crew.ts'
export type { ProgramArguments, ProgramName } from './program.ts'
