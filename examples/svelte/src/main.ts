/** Puts the component on the page. */
import { mount } from "svelte";
import App from "./App.svelte";

mount(App, { target: document.querySelector("#root")! });
