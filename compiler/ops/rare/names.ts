/**
 * Made by `npm run coverage` from the groups beside it; do not edit. In: nothing. Out: the operators of each group,
 * with their domain where it is not ai.onnx. Invariant: a test compares it with the groups.
 */
export const rareNames = {
  attention:
    "Attention CausalConvWithState LinearAttention RotaryEmbedding ai.onnx.preview:FlexAttention tilewright:AttentionOutput tilewright:AttentionScores",
  image: "ImageDecoder",
  irregular:
    "Bernoulli Compress Det MaxUnpool Multinomial NonMaxSuppression NonZero RandomNormal RandomNormalLike RandomUniform RandomUniformLike ScatterElements ScatterND TopK Unique tilewright:SameBytes",
  microsoft:
    "com.microsoft:Attention com.microsoft:BiasAdd com.microsoft:BiasGelu com.microsoft:BiasSoftmax com.microsoft:BiasSplitGelu com.microsoft:CDist com.microsoft:DequantizeLinear com.microsoft:DynamicQuantizeMatMul com.microsoft:EmbedLayerNormalization com.microsoft:ExpandDims com.microsoft:FastGelu com.microsoft:FusedConv com.microsoft:FusedGemm com.microsoft:FusedMatMul com.microsoft:GatherBlockQuantized com.microsoft:GatherND com.microsoft:Gelu com.microsoft:GroupNorm com.microsoft:GroupQueryAttention com.microsoft:MatMulIntegerToFloat com.microsoft:MatMulNBits com.microsoft:MultiHeadAttention com.microsoft:NhwcConv com.microsoft:NhwcMaxPool com.microsoft:Pad com.microsoft:QAttention com.microsoft:QGemm com.microsoft:QLinearAdd com.microsoft:QLinearAveragePool com.microsoft:QLinearConcat com.microsoft:QLinearConv com.microsoft:QLinearGlobalAveragePool com.microsoft:QLinearLeakyRelu com.microsoft:QLinearMul com.microsoft:QLinearSigmoid com.microsoft:QLinearSoftmax com.microsoft:QLinearWhere com.microsoft:QuantizeLinear com.microsoft:QuickGelu com.microsoft:Range com.microsoft:RotaryEmbedding com.microsoft:SkipGroupNorm com.microsoft:SkipLayerNormalization com.microsoft:SkipSimplifiedLayerNormalization com.microsoft:TransposeMatMul com.microsoft:Trilu tilewright:UnpackBlocks tilewright:WrittenCache",
  ml: "ai.onnx.ml:ArrayFeatureExtractor ai.onnx.ml:Binarizer ai.onnx.ml:CastMap ai.onnx.ml:DictVectorizer ai.onnx.ml:FeatureVectorizer ai.onnx.ml:Imputer ai.onnx.ml:LabelEncoder ai.onnx.ml:LinearClassifier ai.onnx.ml:LinearRegressor ai.onnx.ml:Normalizer ai.onnx.ml:OneHotEncoder ai.onnx.ml:SVMClassifier ai.onnx.ml:SVMRegressor ai.onnx.ml:Scaler ai.onnx.ml:TreeEnsemble ai.onnx.ml:TreeEnsembleClassifier ai.onnx.ml:TreeEnsembleRegressor ai.onnx.ml:ZipMap tilewright:KernelMatrix tilewright:LabelLookup tilewright:OrderedMap tilewright:PairwiseCoupling tilewright:Probit tilewright:TreeScores",
  quantized:
    "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear",
  recurrent:
    "GRU LSTM RNN tilewright:GruRecurrence tilewright:LstmRecurrence tilewright:RecurrentInput tilewright:RnnRecurrence",
  signal:
    "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT tilewright:FourierBasis tilewright:FourierProduct tilewright:FramedFourierProduct",
  strings:
    "RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer ai.onnx.ml:CategoryMapper tilewright:CastStrings tilewright:NgramCount",
  training:
    "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss ai.onnx.preview.training:Adagrad ai.onnx.preview.training:Adam ai.onnx.preview.training:Momentum",
  vision: "AffineGrid Col2Im DeformConv GridSample MaxRoiPool RoiAlign",
} as const;
