/** Replaced by the build with package.json's version. */
export const VERSION: string = process.env.BATCHSENDER_VERSION ?? '0.1.0';
