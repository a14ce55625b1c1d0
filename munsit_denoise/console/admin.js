export const isAdmin = async () => false;
export function showAdmin() {}
