/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded before the first paint: the colours that were chosen here, else the system's. */
"use strict";
(function () {
  let chosen = null;
  try {
    chosen = localStorage.getItem("headrace.theme");
  } catch {
    /* no storage: the system's colours */
  }
  if (chosen === "light" || chosen === "dark")
    document.documentElement.dataset.theme = chosen;
})();
