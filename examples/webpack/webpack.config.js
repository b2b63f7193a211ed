/** Nothing here is for Tilewright: webpack knows `new URL("./file", import.meta.url)` by itself. */
import HtmlWebpackPlugin from "html-webpack-plugin";

export default {
  mode: "production",
  entry: "./src/main.js",
  output: {
    filename: "[name].[contenthash].js",
    assetModuleFilename: "[name].[contenthash][ext]",
    clean: true,
  },
  plugins: [new HtmlWebpackPlugin({ template: "index.html" })],
};
